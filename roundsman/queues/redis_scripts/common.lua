-- What all operations share. KEYS[1] is the prefix of all keys, ARGV[1] the time in microseconds by the caller's
-- clock, ARGV[2] what is asked, in JSON (false where there is nothing). Times and ranks are milliseconds elsewhere.
--
--   messages        hash   id -> header, line feed, comma, body: two JSON values. The header is
--                          [kind, priority, rank, due, enqueued at in microseconds as text, group or false]
--   returned        hash   id -> how often it came back
--   hastened        hash   id of a taken one -> 1: when it is put back, it need not wait for a time
--   ready:KIND      zset   id by rank; equal ranks by id, and ids grow
--   delayed:KIND    zset   id by the time at which it is due
--   taken:KIND      stream an entry for each lease, pending for its owner in the group `receivers`; the entry's id is
--                          the proof of the lease
--   leases:KIND     zset   entry by the time at which its lease ends
--   groups          hash   group -> the id of its message that is ready, delayed or taken
--   held:GROUP      zset   ids that wait for their group, in order;  held  hash  kind -> how many
--   dead:KIND       zset   id by the time of death;  dead  hash  id -> [time in microseconds, deliveries, reason]
--   kinds set, last (id) string, rates hash, dedup:... strings, bell stream: rung when somebody may have to look again

local root = KEYS[1]
local now_text, now = ARGV[1], math.floor(tonumber(ARGV[1]) / 1000)
local asked = cjson.decode(ARGV[2])
local call = redis.call
local CHUNK = 1000 -- what Lua can unpack is limited
local KIND, PRIORITY, RANK, DUE, ENQUEUED, GROUP = 1, 2, 3, 4, 5, 6
local stirred = false

local function key(what, which)
    return root .. what .. ':' .. which
end

local function header_in(record)
    return cjson.decode(record:sub(1, record:find('\n', 1, true) - 1))
end

local function header_of(id)
    local record = call('HGET', root .. 'messages', id)
    return record and header_in(record)
end

local function in_chunks(values, command, first_key, second)
    for start = 1, #values, CHUNK do
        local stop = math.min(start + CHUNK - 1, #values)
        if second then
            call(command, first_key, second, unpack(values, start, stop))
        else
            call(command, first_key, unpack(values, start, stop))
        end
    end
end

local function ring()
    if stirred then
        call('XADD', root .. 'bell', 'MAXLEN', 1, '*', 'rung', '')
    end
end

-- A message that nothing holds back but its time.
local function put(id, kind, rank, due)
    if due > now then
        call('ZADD', key('delayed', kind), due, id)
    else
        call('ZADD', key('ready', kind), rank, id)
    end
    stirred = true
end

-- A message that comes in: behind its group, if that is under way.
local function enter(id, header)
    local group = header[GROUP]
    if group then
        if call('HSETNX', root .. 'groups', group, id) == 0 then
            call('ZADD', key('held', group), 0, id)
            call('HINCRBY', root .. 'held', header[KIND], 1)
            return
        end
    end
    put(id, header[KIND], header[RANK], header[DUE])
end

-- A message of this group has left for good.
local function let_the_next_go(group)
    if not group then return end
    local id = call('ZPOPMIN', key('held', group))[1]
    local header = id and header_of(id)
    if header then
        call('HSET', root .. 'groups', group, id)
        if call('HINCRBY', root .. 'held', header[KIND], -1) <= 0 then call('HDEL', root .. 'held', header[KIND]) end
        put(id, header[KIND], header[RANK], header[DUE])
    else
        call('HDEL', root .. 'groups', group)
    end
end

-- Without a reason: it came back too often.
local function give_up(id, kind, group, deliveries, reason)
    call('HSET', root .. 'dead', id, '[' .. now_text .. ',' .. deliveries .. ',' .. cjson.encode(reason) .. ']')
    call('ZADD', key('dead', kind), now, id)
    call('HDEL', root .. 'returned', id)
    call('HDEL', root .. 'hastened', id)
    let_the_next_go(group)
end

-- The lease of a message has ended without its being done.
local function put_back(id, due)
    local header = header_of(id)
    if not header then return end
    local deliveries = call('HINCRBY', root .. 'returned', id, 1)
    if call('HDEL', root .. 'hastened', id) == 1 then due = 0 end
    if asked.max and deliveries >= asked.max then
        give_up(id, header[KIND], header[GROUP], deliveries, false)
    else
        put(id, header[KIND], header[RANK], due)
    end
end

local function forget_entries(kind, entries)
    in_chunks(entries, 'XACK', key('taken', kind), 'receivers')
    in_chunks(entries, 'XDEL', key('taken', kind))
end

-- Puts back what these entries stand for. Returns how many.
local function free(kind, entries)
    if #entries == 0 then return 0 end
    in_chunks(entries, 'ZREM', key('leases', kind))
    for _, entry in ipairs(entries) do
        local found = call('XRANGE', key('taken', kind), entry, entry)[1]
        if found then put_back(found[2][2], 0) end
    end
    forget_entries(kind, entries)
    return #entries
end

local function free_what_nobody_holds(kind)
    return free(kind, call('ZRANGEBYSCORE', key('leases', kind), '-inf', now))
end

-- Ends the leases of asked.messages, each [kind, id, entry, group], calling act(kind, id, group). Returns the
-- positions, from 0, of those whose lease was lost.
local function end_leases(act)
    local lost, ended = {}, {}
    for position, message in ipairs(asked.messages) do
        local kind, id, entry = message[1], message[2], message[3]
        if call('ZREM', key('leases', kind), entry) == 1 then
            ended[kind] = ended[kind] or {}
            table.insert(ended[kind], entry)
            act(kind, id, message[4])
        else
            table.insert(lost, position - 1)
        end
    end
    for kind, entries in pairs(ended) do
        forget_entries(kind, entries)
    end
    return lost
end

