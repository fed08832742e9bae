-- asked: ids or false, kind or false, ageing in ms. Returns how many.
local chosen = asked.ids
if not chosen then
    chosen = {}
    local kinds = asked.kind and { asked.kind } or call('SMEMBERS', root .. 'kinds')
    for _, kind in ipairs(kinds) do
        for _, id in ipairs(call('ZRANGE', key('dead', kind), 0, -1)) do
            table.insert(chosen, id)
        end
    end
end
table.sort(chosen) -- ids grow: groups keep their order
local replayed = 0
for _, id in ipairs(chosen) do
    local record = call('HGET', root .. 'messages', id)
    local header = record and header_in(record)
    if header and (not asked.kind or header[KIND] == asked.kind) and call('ZREM', key('dead', header[KIND]), id) == 1 then
        call('HDEL', root .. 'dead', id)
        header[RANK], header[DUE] = now - header[PRIORITY] * asked.ageing, 0
        local feed = record:find('\n', 1, true)
        call('HSET', root .. 'messages', id, cjson.encode(header) .. record:sub(feed))
        enter(id, header)
        replayed = replayed + 1
    end
end
ring()
return replayed
