-- asked: messages, limited: the kinds of which only so many may be under way, by kind.
local done = {}
local lost = end_leases(function(kind, id, group)
    table.insert(done, id)
    let_the_next_go(group)
    if asked.limited[kind] then stirred = true end
end)
in_chunks(done, 'HDEL', root .. 'messages')
in_chunks(done, 'HDEL', root .. 'returned')
in_chunks(done, 'HDEL', root .. 'hastened')
ring()
return lost
