-- asked: before in ms, limit. Returns how many.
local old, forgotten = {}, {}
for _, kind in ipairs(call('SMEMBERS', root .. 'kinds')) do
    local found = call('ZRANGEBYSCORE', key('dead', kind), '-inf', '(' .. string.format('%.0f', asked.before),
        'WITHSCORES', 'LIMIT', 0, asked.limit)
    for place = 1, #found, 2 do
        table.insert(old, { found[place], tonumber(found[place + 1]), kind })
    end
end
table.sort(old, function(one, other)
    if one[2] ~= other[2] then return one[2] < other[2] end
    return one[1] < other[1]
end)
for position = 1, math.min(#old, asked.limit) do
    local id, kind = old[position][1], old[position][3]
    call('ZREM', key('dead', kind), id)
    table.insert(forgotten, id)
end
in_chunks(forgotten, 'HDEL', root .. 'dead')
in_chunks(forgotten, 'HDEL', root .. 'messages')
return #forgotten
