-- asked: messages, due in ms, max.
local lost = end_leases(function(_, id)
    put_back(id, asked.due)
end)
ring()
return lost
