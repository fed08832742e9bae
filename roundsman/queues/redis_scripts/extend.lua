-- asked: messages, lease in ms.
local lost = {}
for position, message in ipairs(asked.messages) do
    local leases = key('leases', message[1])
    if call('ZSCORE', leases, message[3]) then
        call('ZADD', leases, now + asked.lease, message[3])
    else
        table.insert(lost, position - 1)
    end
end
return lost
