-- asked: ids. Returns those that are not held, also not as dead letters.
local missing = {}
for _, id in ipairs(asked.ids) do
    if call('HEXISTS', root .. 'messages', id) == 0 then table.insert(missing, id) end
end
return missing
