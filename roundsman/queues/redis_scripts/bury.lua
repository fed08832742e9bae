-- asked: messages, reason.
local lost = end_leases(function(kind, id, group)
    local deliveries = tonumber(call('HGET', root .. 'returned', id) or '0') + 1
    give_up(id, kind, group, deliveries, asked.reason)
    stirred = true
end)
ring()
return lost
