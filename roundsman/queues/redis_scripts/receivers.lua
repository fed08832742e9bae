-- Returns the owners who hold something.
local owners, seen = {}, {}
for _, kind in ipairs(call('SMEMBERS', root .. 'kinds')) do
    local stream = key('taken', kind)
    if call('EXISTS', stream) == 1 then
        for _, facts in ipairs(call('XINFO', 'CONSUMERS', stream, 'receivers')) do
            local name, pending = facts[2], facts[4]
            if pending > 0 and not seen[name] then
                seen[name] = true
                table.insert(owners, name)
            end
        end
    end
end
return owners
