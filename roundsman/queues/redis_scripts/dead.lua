-- asked: kind or false, limit. Returns one JSON text, the newest first.
local letters, answers = {}, {}
local kinds = asked.kind and { asked.kind } or call('SMEMBERS', root .. 'kinds')
for _, kind in ipairs(kinds) do
    local found = call('ZREVRANGE', key('dead', kind), 0, asked.limit - 1, 'WITHSCORES')
    for place = 1, #found, 2 do
        table.insert(letters, { found[place], tonumber(found[place + 1]) })
    end
end
table.sort(letters, function(one, other)
    if one[2] ~= other[2] then return one[2] > other[2] end
    return one[1] > other[1]
end)
for position = 1, math.min(#letters, asked.limit) do
    local id = letters[position][1]
    local facts, record = call('HGET', root .. 'dead', id), call('HGET', root .. 'messages', id)
    if facts and record then table.insert(answers, '["' .. id .. '",' .. facts .. ',' .. record .. ']') end
end
return '[' .. table.concat(answers, ',') .. ']'
