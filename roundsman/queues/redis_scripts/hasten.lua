-- asked: ids. Returns those that waited for their time, and need not any more. Of those that are taken it is remembered.
local hastened = {}
for _, id in ipairs(asked.ids) do
    local record = call('HGET', root .. 'messages', id)
    local header = record and header_in(record)
    if header then
        local kind, group = header[KIND], header[GROUP]
        if call('ZREM', key('delayed', kind), id) == 1 then
            call('ZADD', key('ready', kind), header[RANK], id)
            stirred = true
            table.insert(hastened, id)
        elseif group and call('ZSCORE', key('held', group), id) then
            if header[DUE] > now then
                header[DUE] = 0
                local feed = record:find('\n', 1, true)
                call('HSET', root .. 'messages', id, cjson.encode(header) .. record:sub(feed))
                table.insert(hastened, id)
            end
        elseif not call('ZSCORE', key('ready', kind), id) and call('HEXISTS', root .. 'dead', id) == 0 then
            call('HSET', root .. 'hastened', id, 1)
        end
    end
end
ring()
return hastened
