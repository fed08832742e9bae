-- asked: owners, max. Returns how many messages were freed.
local DAY = 86400000
local freed = 0
for _, kind in ipairs(call('SMEMBERS', root .. 'kinds')) do
    local stream = key('taken', kind)
    if call('EXISTS', stream) == 1 then
        freed = freed + free_what_nobody_holds(kind)
        for _, owner in ipairs(asked.owners) do
            repeat
                local entries = {}
                for position, pending in ipairs(call('XPENDING', stream, 'receivers', '-', '+', CHUNK, owner)) do
                    entries[position] = pending[1]
                end
                freed = freed + free(kind, entries)
            until #entries == 0
            call('XGROUP', 'DELCONSUMER', stream, 'receivers', owner)
        end
        -- Receivers that stopped in good order leave nothing but their names
        for _, facts in ipairs(call('XINFO', 'CONSUMERS', stream, 'receivers')) do
            local name, pending, idle = facts[2], facts[4], facts[6]
            if pending == 0 and idle > DAY then call('XGROUP', 'DELCONSUMER', stream, 'receivers', name) end
        end
    end
end
ring()
return freed
