-- asked: window in ms, keys: [dedup key or false, ...]. ARGV[3...]: the records. Returns the ids; those of duplicates
-- begin with '='.
local entered, kinds = {}, {}
-- Ids begin with the time: when Redis has lost its memory, none is given a second time.
local last = math.max(tonumber(call('GET', root .. 'last') or '0'), tonumber(now_text))
for position, dedup in ipairs(asked.keys) do
    local record = ARGV[position + 2]
    local header = header_in(record)
    local kind = header[KIND]
    local first, dedup_key
    if dedup then
        dedup_key = root .. 'dedup:' .. #kind .. ':' .. kind .. ':' .. dedup
        local known = call('GET', dedup_key)
        local id, window_end = (known or ''):match('^(%d+) (%d+)$')
        if id and now < tonumber(window_end) then first = id end
    end
    if first then
        entered[position] = '=' .. first
    else
        last = last + 1
        local id = string.format('%.0f', last)
        call('HSET', root .. 'messages', id, record)
        if dedup then
            -- The window goes by the callers' clocks; Redis' own only clears up behind it
            local value = id .. ' ' .. string.format('%.0f', now + asked.window)
            call('SET', dedup_key, value, 'PX', asked.window + 60000)
        end
        enter(id, header)
        kinds[kind] = true
        entered[position] = id
    end
end
for kind in pairs(kinds) do
    call('SADD', root .. 'kinds', kind)
end
call('SET', root .. 'last', string.format('%.0f', last))
ring()
return entered
