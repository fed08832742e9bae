-- Returns [kind, ready, delayed, held, leased, dead, enqueued at of the oldest ready one or ''] for each kind.
local function oldest(ids, found)
    if #ids == 0 then return found end
    for _, record in ipairs(call('HMGET', root .. 'messages', unpack(ids))) do
        local enqueued = record and header_in(record)[ENQUEUED]
        -- as texts: of the same length until the year 2286
        if enqueued and (found == '' or enqueued < found) then found = enqueued end
    end
    return found
end

local depths = {}
for _, kind in ipairs(call('SMEMBERS', root .. 'kinds')) do
    local delayed = key('delayed', kind)
    local due = call('ZCOUNT', delayed, '-inf', now)
    local first = oldest(call('ZRANGE', key('ready', kind), 0, CHUNK - 1), '')
    first = oldest(call('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', 0, CHUNK), first)
    table.insert(depths, {
        kind,
        call('ZCARD', key('ready', kind)) + due,
        call('ZCARD', delayed) - due,
        tonumber(call('HGET', root .. 'held', kind) or '0'),
        call('XLEN', key('taken', kind)),
        call('ZCARD', key('dead', kind)),
        first,
    })
end
return depths
