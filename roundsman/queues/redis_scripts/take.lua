-- asked: owner, most, lease in ms, max, own (key of the caller's own bell), wanted:
-- [[kind, number, concurrency or false, [count, per in ms] or false], ...].
-- Returns the messages as one JSON text; when there are none, also the last ids of the common and of the own bell, and
-- when (in ms, or '') time alone will change the answer.
local heads, rates = {}, {}
local next_change

local function will_change(at)
    if at and (not next_change or at < next_change) then next_change = at end
end

local function promote_due(kind)
    local due = call('ZRANGEBYSCORE', key('delayed', kind), '-inf', now)
    if #due == 0 then return end
    in_chunks(due, 'ZREM', key('delayed', kind))
    for _, id in ipairs(due) do
        local header = header_of(id)
        if header then call('ZADD', key('ready', kind), header[RANK], id) end
    end
end

local function tokens_of(kind, rate)
    local kept = call('HGET', root .. 'rates', kind)
    if not kept then return rate[1] end
    local tokens, at = kept:match('^(%S+) (%S+)$')
    return math.min(rate[1], tonumber(tokens) + math.max(0, now - tonumber(at)) * rate[1] / rate[2])
end

local function room(kind, number, concurrency, rate)
    local left = number
    if concurrency then left = math.min(left, concurrency - call('XLEN', key('taken', kind))) end
    if rate then
        rates[kind] = tokens_of(kind, rate)
        -- a sum of tenths may fall short of one by a hair
        left = math.min(left, math.floor(rates[kind] + 1e-9))
        if rates[kind] < 1 then will_change(now + math.ceil((1 - rates[kind]) * rate[2] / rate[1])) end
    end
    return left
end

local function earliest(set)
    return tonumber(call('ZRANGE', set, 0, 0, 'WITHSCORES')[2])
end

local function last_of(stream)
    local newest = call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
    return newest and newest[1] or '0-0'
end

-- Under leases of the owner, which are entries of the kind's stream. Returns the entries, as many as ids.
local function lease(kind, ids)
    local stream, entries, ends = key('taken', kind), {}, {}
    -- Taken out first: after it has removed something, a script may add although the memory is full
    in_chunks(ids, 'ZREM', key('ready', kind))
    if call('EXISTS', stream) == 0 then call('XGROUP', 'CREATE', stream, 'receivers', '0', 'MKSTREAM') end
    for position, id in ipairs(ids) do
        entries[position] = call('XADD', stream, '*', 'id', id)
        ends[2 * position - 1], ends[2 * position] = now + asked.lease, entries[position]
    end
    call('XREADGROUP', 'GROUP', 'receivers', asked.owner, 'COUNT', #ids, 'STREAMS', stream, '>')
    in_chunks(ends, 'ZADD', key('leases', kind))
    return entries
end

-- Also of kinds that are not wanted: a group lies across kinds
for _, kind in ipairs(call('SMEMBERS', root .. 'kinds')) do
    free_what_nobody_holds(kind)
end
for _, want in ipairs(asked.wanted) do
    local kind = want[1]
    promote_due(kind)
    local number = math.min(room(kind, want[2], want[3], want[4]), asked.most)
    if number > 0 then
        local found = call('ZRANGE', key('ready', kind), 0, number - 1, 'WITHSCORES')
        for place = 1, #found, 2 do
            table.insert(heads, { found[place], tonumber(found[place + 1]), kind })
        end
    end
end
if #asked.wanted > 1 then
    table.sort(heads, function(one, other)
        if one[2] ~= other[2] then return one[2] < other[2] end
        return one[1] < other[1]
    end)
end

local ids, chosen, by_kind = {}, math.min(#heads, asked.most), {}
for position = 1, chosen do
    local id, kind = heads[position][1], heads[position][3]
    ids[position] = id
    by_kind[kind] = by_kind[kind] or {}
    table.insert(by_kind[kind], id)
end

local answers, entry_of = {}, {}
for kind, taken in pairs(by_kind) do
    for position, entry in ipairs(lease(kind, taken)) do
        entry_of[taken[position]] = entry
    end
    if rates[kind] then
        call('HSET', root .. 'rates', kind, string.format('%.9f %.0f', rates[kind] - #taken, now))
    end
end
for start = 1, chosen, CHUNK do
    local stop = math.min(start + CHUNK - 1, chosen)
    local records = call('HMGET', root .. 'messages', unpack(ids, start, stop))
    local returned = call('HMGET', root .. 'returned', unpack(ids, start, stop))
    for position = start, stop do
        local id, record = ids[position], records[position - start + 1]
        local deliveries = (tonumber(returned[position - start + 1] or '0') or 0) + 1
        if record then
            table.insert(answers, '["' .. id .. '","' .. entry_of[id] .. '",' .. deliveries .. ',' .. record .. ']')
        end
    end
end
ring()
if #answers > 0 then return { '[' .. table.concat(answers, ',') .. ']' } end

for _, want in ipairs(asked.wanted) do
    will_change(earliest(key('delayed', want[1])))
    will_change(earliest(key('leases', want[1])))
end
return {
    '[]', last_of(root .. 'bell'), last_of(asked.own), next_change and string.format('%.0f', next_change) or '',
}
