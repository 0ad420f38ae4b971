-- What is done to one bucket, each as one step that no other comes between. The keys of every call are those of the
-- bucket: meta, records, index and feed, all in one slot. All of them are named, so that a bucket on its way to another
-- server is refused as a whole by the server itself.
--
-- A change that ends something writes the feed; so does one that finds nothing to end, and that is what its answer is
-- confirmed by. None is marked as one that doesn't write: a server that takes no changes answers no reads either.

-- A record is kept as its expiry, eight bytes; the number up to which the ends in the journal are made that it was put
-- after, eight bytes; and what is sealed. The bucket has such a number as well: no record that is put has a smaller one.

-- For how long a process may go by what it keeps, in microseconds.
local function lease(keys)
    return redis.call('HGET', keys[1], 'lease')
end

-- Why there is no lease. Nobody goes by a bucket without one, whatever his version of these functions is: so it has none
-- while records are being brought to it, and none after they have left it.
local function unused(keys)
    if redis.call('HEXISTS', keys[1], 'moved') == 1 then
        return redis.error_reply('LACREMOVED the records were moved to another store')
    end
    if redis.call('HEXISTS', keys[1], 'coming') == 1 then
        return redis.error_reply('LACRECOMING records are being brought here')
    end
    return redis.error_reply('LACREGONE the store has been emptied')
end

-- The server's time, in microseconds.
local function time_us()
    local time = redis.call('TIME')
    return time[1] * 1000000 + time[2]
end

-- What has ended: names of 32 bytes, each with 1 where the record has gone and 0 where it has changed.
local function tell(keys, node, number, ended)
    redis.call('XADD', keys[4], 'MAXLEN', '~', '4096', '*', 'o', node, 't', number, 'k', ended)
end

-- A change that comes later than its caller is told that its outcome isn't known is not made: a server that stood
-- still must not make it when it goes on. The third argument is until when, in microseconds of the server's time.
local function late(args)
    return time_us() > tonumber(args[3])
end

local function too_late()
    return redis.error_reply('LACRELATE the change came too late')
end

-- Whether somebody who moves all records elsewhere has this bucket take no changes. That ends by itself, for he may have gone:
-- the first change that comes later takes it away, so that he finds out if he hasn't.
local function held(keys)
    local hold = redis.call('HMGET', keys[1], 'hold', 'hold_until')
    if not hold[1] then
        return false
    end
    if time_us() <= tonumber(hold[2]) then
        return true
    end
    redis.call('HDEL', keys[1], 'hold', 'hold_until')
    return false
end

-- The answer to a change that isn't made because changes are held.
local HELD = 3

local NONE = '\0\0\0\0\0\0\0\0'

-- The number up to which ends in the journal are made in this bucket.
local function number_of(keys)
    return redis.call('HGET', keys[1], 'journal') or NONE
end

-- What a record says of the ends that it was put after, and what is sealed.
local function after_of(record)
    return string.sub(record, 9, 16)
end

local function sealed_of(record)
    return string.sub(record, 17)
end

local function drop(keys, name)
    redis.call('HDEL', keys[2], name)
    redis.call('ZREM', keys[3], name)
end

-- Whether eight bytes, the greatest first, are a number that isn't greater. Strings themselves compare by locale.
local function reached(one, other)
    for place = 1, 8 do
        local a, b = string.byte(one, place), string.byte(other, place)
        if a ~= b then
            return a < b
        end
    end
    return true
end

-- An end of this number is made.
local function advance(keys, number)
    if number ~= '' and not reached(number, number_of(keys)) then
        redis.call('HSET', keys[1], 'journal', number)
    end
end

-- Whether a record was put after the end of this number was written down, so that it doesn't count against it.
local function overtakes(record, number)
    return number ~= '' and reached(number, after_of(record))
end

-- Makes the bucket where there is none. Arguments: version, oldest, lease, deployment, a number.
local function init(keys, args)
    if redis.call('HEXISTS', keys[1], 'version') == 0 then
        redis.call('HSET', keys[1], 'version', args[1], 'oldest', args[2], 'lease', args[3], 'deployment', args[4])
    end
    if redis.call('XLEN', keys[4]) == 0 then
        redis.call('XADD', keys[4], '*', 'o', '', 't', args[5], 'k', '')
    end
    return redis.call('HMGET', keys[1], 'version', 'oldest', 'lease', 'deployment')
end

-- What the bucket says of itself, the last entry of its feed, and the server's time.
local function head(keys)
    local said = redis.call('HMGET', keys[1], 'version', 'oldest', 'lease', 'deployment', 'emptying')
    said[6] = number_of(keys)
    return { said, redis.call('XREVRANGE', keys[4], '+', '-', 'COUNT', 1), redis.call('TIME') }
end

-- What the feeds of a server say behind what is known of them, and a change that nothing goes by but the evidence that it
-- was made: with it all of that is confirmed. The keys are those of one bucket. Arguments: how many entries are wanted of
-- each feed; then of each feed its key, and of the last entry that is known its place, node and number, which are its own.
-- Answers with the lease, the server's time, and, of each feed that has more or hasn't got that entry, which one it is,
-- from 0, and its entries from that place on. The feeds are in other slots: a server refuses those that it doesn't lead.
local function poll(keys, args)
    local lease_us = lease(keys)
    if not lease_us then
        return unused(keys)
    end
    local time = redis.call('TIME')
    local said = { lease_us, time[1], time[2] }
    for place = 2, #args, 4 do
        local entries = redis.call('XRANGE', args[place], args[place + 1], '+', 'COUNT', args[1])
        local known = #entries == 1 and entries[1]
        local fields = known and known[1] == args[place + 1] and known[2]
        if not fields or fields[2] ~= args[place + 2] or fields[4] ~= args[place + 3] then
            said[#said + 1] = (place - 2) / 4
            said[#said + 1] = entries
        end
    end
    redis.call('HINCRBY', keys[1], 'beat', 1)
    return said
end

local function get(keys, args)
    if not lease(keys) then
        return unused(keys)
    end
    return redis.call('HGET', keys[2], args[1])
end

-- Records from a place on. Arguments: from where, up to where, how many, and eight bytes of a time, by which
-- they must have expired, or nothing.
local function page(keys, args)
    local names = redis.call('ZRANGE', keys[3], args[1], args[2], 'BYLEX', 'LIMIT', 0, args[3])
    local found = { names[#names] or '', #names }
    for _, name in ipairs(names) do
        local record = redis.call('HGET', keys[2], name)
        if record and (args[4] == '' or reached(record, args[4])) then
            found[#found + 1] = name
            found[#found + 1] = sealed_of(record)
        end
    end
    return found
end

local function count(keys, args)
    return redis.call('ZLEXCOUNT', keys[3], args[1], args[2])
end

local function size(keys)
    return redis.call('HLEN', keys[2])
end

-- All of the writes or none. Arguments: node, number of the change, until when, number of its ends in the journal or
-- nothing; then of each write: name, what it expects, what takes its place, and what it is: '0' where it ends nothing,
-- '1' where it ends tokens, '2' where it is an end that is in the journal. A record is preceded by '=', and in the new
-- one by its expiry. Answers 1 where they were made, 0 where they don't fit, and 2 with a number where the one of the
-- journal has to be greater.
local function apply(keys, args)
    if not lease(keys) then
        return unused(keys)
    end
    if late(args) then
        return too_late()
    end
    if held(keys) then
        return { HELD, lease(keys) }
    end
    local fits, ends, ended, places = 1, false, {}, {}
    for place = 5, #args, 4 do
        local name, expected, new, what = args[place], args[place + 1], args[place + 2], args[place + 3]
        local record = redis.call('HGET', keys[2], name)
        local found = record and ('=' .. sealed_of(record)) or ''
        if found ~= expected then
            fits = 0
        elseif what == '2' and record and overtakes(record, args[4]) then
            return { 2, lease(keys), after_of(record) }
        end
        -- A record keeps its place among the ends, unless one of them is its own.
        places[place] = what ~= '2' and record and after_of(record)
        ends = ends or what ~= '0'
        if expected ~= '' and new == '' then
            ended[#ended + 1] = name .. '1'
        elseif expected ~= '' and what ~= '0' then
            ended[#ended + 1] = name .. '0'
        end
    end
    -- The feed first: were it refused, nothing would be changed.
    if ends or (fits == 1 and #ended > 0) then
        tell(keys, args[1], args[2], fits == 1 and table.concat(ended) or '')
    end
    advance(keys, args[4])
    if fits == 1 then
        for place = 5, #args, 4 do
            local name, new = args[place], args[place + 2]
            if new ~= '' then
                local after = places[place] or number_of(keys)
                redis.call('HSET', keys[2], name, string.sub(new, 2, 9) .. after .. string.sub(new, 10))
                redis.call('ZADD', keys[3], 0, name)
            else
                drop(keys, name)
            end
        end
    end
    return { fits, lease(keys) }
end

-- Arguments: node, number of the change, until when, number in the journal, name. Answers 1 with what was sealed where it
-- was there, 0 where it wasn't, and 2 with a number where the one of the journal has to be greater.
local function remove(keys, args)
    if not lease(keys) then
        return unused(keys)
    end
    if late(args) then
        return too_late()
    end
    if held(keys) then
        return { HELD, lease(keys) }
    end
    local record = redis.call('HGET', keys[2], args[5])
    if record and overtakes(record, args[4]) then
        return { 2, lease(keys), after_of(record) }
    end
    tell(keys, args[1], args[2], record and (args[5] .. '1') or '')
    advance(keys, args[4])
    if not record then
        return { 0, lease(keys), '' }
    end
    drop(keys, args[5])
    return { 1, lease(keys), sealed_of(record) }
end

-- Arguments: node, number of the change, until when, number in the journal, from where, up to where, how many, a name that
-- stays, or nothing, whether what was sealed is wanted, and whether records that were put after the end was written down
-- stay. Answers 1 with how many were looked at, the last of them, and those that have gone; or 2 with a number where the
-- one of the journal has to be greater.
local function remove_range(keys, args)
    if not lease(keys) then
        return unused(keys)
    end
    if late(args) then
        return too_late()
    end
    if held(keys) then
        return { HELD, lease(keys) }
    end
    local names = redis.call('ZRANGE', keys[3], args[5], args[6], 'BYLEX', 'LIMIT', 0, args[7])
    local gone, ended, highest = { 1, lease(keys), #names, names[#names] or '' }, {}, nil
    for _, name in ipairs(names) do
        local record = name ~= args[8] and redis.call('HGET', keys[2], name)
        if not record then
            -- It stays, or is in the index alone.
        elseif not overtakes(record, args[4]) then
            gone[#gone + 1] = name
            gone[#gone + 1] = args[9] == '1' and sealed_of(record) or ''
            ended[#ended + 1] = name .. '1'
        elseif args[10] ~= '1' and not (highest and reached(after_of(record), highest)) then
            highest = after_of(record)
        end
    end
    if highest then
        return { 2, lease(keys), highest }
    end
    tell(keys, args[1], args[2], table.concat(ended))
    advance(keys, args[4])
    for place = 5, #gone, 2 do
        drop(keys, gone[place])
    end
    return gone
end

local function being_held()
    return redis.error_reply('LACREHELD changes are held while all records are moved')
end

-- Takes records away that had ended; false where changes are held.
local function went(keys, names)
    if #names == 0 then
        return true
    end
    if held(keys) then
        return false
    end
    tell(keys, '', '0', table.concat(names, '1') .. '1')
    for _, name in ipairs(names) do
        drop(keys, name)
    end
    return true
end

-- Makes ends of the journal once more that may have been lost. Arguments: the number up to which all are made then, or
-- nothing; then of each its number, a record's name or a user's tag, and a name that stays, or nothing. Answers with
-- how many records have gone.
local function replay(keys, args)
    if not lease(keys) then
        return unused(keys)
    end
    local ended, found = {}, {}
    local function ends(name, number)
        local record = not found[name] and redis.call('HGET', keys[2], name)
        if record and not overtakes(record, number) then
            ended[#ended + 1], found[name] = name, true
        end
    end
    for place = 2, #args, 3 do
        local number, key, keep = args[place], args[place + 1], args[place + 2]
        if #key == 32 then
            ends(key, number)
        else
            local first, last = '[' .. key, '[' .. key .. string.rep('\255', 16)
            for _, name in ipairs(redis.call('ZRANGE', keys[3], first, last, 'BYLEX')) do
                if name ~= keep then
                    ends(name, number)
                end
            end
        end
    end
    if not went(keys, ended) then
        return being_held()
    end
    advance(keys, args[1])
    return #ended
end

-- The same of the end of all records, some of them. Arguments: its number, from where, and how many. Answers with the last
-- that it looked at, or nothing, and how many have gone.
local function replay_all(keys, args)
    if not lease(keys) then
        return unused(keys)
    end
    local names = redis.call('ZRANGE', keys[3], args[2], '+', 'BYLEX', 'LIMIT', 0, args[3])
    local ended = {}
    for _, name in ipairs(names) do
        local record = redis.call('HGET', keys[2], name)
        if record and not overtakes(record, args[1]) then
            ended[#ended + 1] = name
        end
    end
    if not went(keys, ended) then
        return being_held()
    end
    return { #names == tonumber(args[3]) and names[#names] or '', #ended }
end

-- A change of one's own after whatever was found changed. Arguments: node, number, until when.
local function barrier(keys, args)
    if not lease(keys) then
        return unused(keys)
    end
    if late(args) then
        return too_late()
    end
    tell(keys, args[1], args[2], '')
    return { lease(keys) }
end

-- Notes that the removal of everything has begun, or is over. Arguments: who, and whether it has begun.
local function emptying(keys, args)
    if args[2] == '1' and held(keys) then
        return HELD
    end
    if args[2] == '1' then
        redis.call('HSET', keys[1], 'emptying', args[1])
    elseif redis.call('HGET', keys[1], 'emptying') == args[1] then
        redis.call('HDEL', keys[1], 'emptying')
    end
    return 1
end

-- Whether it is the caller's turn. Arguments: of what, and for how many microseconds it is nobody else's.
local function turn(keys, args)
    local now = time_us()
    local begun = tonumber(redis.call('HGET', keys[1], 'turn:' .. args[1]) or '-1')
    if begun >= 0 and begun <= now and now - begun < tonumber(args[2]) then
        return 0
    end
    redis.call('HSET', keys[1], 'turn:' .. args[1], string.format('%.0f', now))
    return 1
end

-- All records moved elsewhere, or brought here.

-- Takes no changes for so many microseconds. Arguments: who says so, and for how long.
local function hold(keys, args)
    if not lease(keys) then
        return unused(keys)
    end
    redis.call('HSET', keys[1], 'hold', args[1], 'hold_until', string.format('%.0f', time_us() + tonumber(args[2])))
    return 1
end

-- The same once more; 0 where changes may have been taken since.
local function hold_on(keys, args)
    if redis.call('HGET', keys[1], 'hold') ~= args[1] then
        return 0
    end
    return hold(keys, args)
end

-- Is used by nobody any more, if no change was taken since it was held. Arguments: who holds it, the number of the move, and
-- where to. Answers 1, also where it was left by this move before.
local function leave(keys, args)
    if redis.call('HGET', keys[1], 'moved') == args[2] then
        return 1
    end
    local lease_us = lease(keys)
    if redis.call('HGET', keys[1], 'hold') ~= args[1] or not lease_us then
        return 0
    end
    redis.call('HSET', keys[1], 'moved', args[2], 'moved_to', args[3], 'leased', lease_us)
    redis.call('HDEL', keys[1], 'lease', 'hold', 'hold_until')
    return 1
end

-- Takes changes again. One that was left stays so where that counts: 0.
local function release(keys, args)
    if redis.call('HEXISTS', keys[1], 'moved') == 1 then
        if args[1] == '1' then
            return 0
        end
        redis.call('HSET', keys[1], 'lease', redis.call('HGET', keys[1], 'leased'))
        redis.call('HDEL', keys[1], 'moved', 'moved_to', 'leased')
    end
    redis.call('HDEL', keys[1], 'hold', 'hold_until')
    return 1
end

-- Takes records from now on that are brought. Arguments: version, oldest, lease, the number of the move, of which deployment,
-- a number greater than those of all ends in the journal, and another number. Answers 0 where it isn't free.
local function come(keys, args)
    local coming = redis.call('HGET', keys[1], 'coming')
    if coming and coming ~= args[5] then
        return 0
    end
    if redis.call('HEXISTS', keys[1], 'moved') == 1 then
        redis.call('UNLINK', keys[1], keys[2], keys[3], keys[4])
    elseif not coming and redis.call('EXISTS', keys[1], keys[2], keys[3], keys[4]) > 0 then
        return 0
    end
    redis.call('HSET', keys[1], 'version', args[1], 'oldest', args[2], 'leased', args[3], 'deployment', args[4],
        'coming', args[5])
    advance(keys, args[6])
    if redis.call('XLEN', keys[4]) == 0 then
        redis.call('XADD', keys[4], '*', 'o', '', 't', args[7], 'k', '')
    end
    return 1
end

-- Whether records are brought here by this move.
local function is_coming(keys, id)
    return redis.call('HEXISTS', keys[1], 'coming') == 1 and redis.call('HGET', keys[1], 'deployment') == id
end

-- Arguments: the number of the move; then of each record its name, and what it is preceded by its expiry, or nothing where
-- it is none any more.
local function bring(keys, args)
    if not is_coming(keys, args[1]) then
        return 0
    end
    for place = 2, #args, 2 do
        local name, new = args[place], args[place + 1]
        if new ~= '' then
            redis.call('HSET', keys[2], name, string.sub(new, 1, 8) .. number_of(keys) .. string.sub(new, 9))
            redis.call('ZADD', keys[3], 0, name)
        else
            drop(keys, name)
        end
    end
    return 1
end

-- A change by which all that was brought is confirmed.
local function brought(keys, args)
    if not is_coming(keys, args[1]) then
        return 0
    end
    redis.call('HINCRBY', keys[1], 'beat', 1)
    return 1
end

-- May be used from now on. Says whether this move has come, also where it had before.
local function came(keys, args)
    if is_coming(keys, args[1]) then
        redis.call('HSET', keys[1], 'lease', redis.call('HGET', keys[1], 'leased'))
        redis.call('HDEL', keys[1], 'coming', 'leased')
    end
    return redis.call('HGET', keys[1], 'deployment') == args[1] and lease(keys) and 1 or 0
end

-- Records from a place on as they are kept, whether or not anybody goes by them. Arguments: from where, and how many.
local function walk(keys, args)
    local names = redis.call('ZRANGE', keys[3], args[1], '+', 'BYLEX', 'LIMIT', 0, args[2])
    local found = { names[#names] or '', #names }
    for _, name in ipairs(names) do
        local record = redis.call('HGET', keys[2], name)
        if record then
            found[#found + 1] = name
            found[#found + 1] = record
        end
    end
    return found
end

redis.register_function('lacre_init_@', init)
redis.register_function('lacre_head_@', head)
redis.register_function({ function_name = 'lacre_poll_@', callback = poll, flags = { 'allow-cross-slot-keys' } })
redis.register_function('lacre_get_@', get)
redis.register_function('lacre_page_@', page)
redis.register_function('lacre_count_@', count)
redis.register_function('lacre_size_@', size)
redis.register_function('lacre_apply_@', apply)
redis.register_function('lacre_remove_@', remove)
redis.register_function('lacre_remove_range_@', remove_range)
redis.register_function('lacre_replay_@', replay)
redis.register_function('lacre_replay_all_@', replay_all)
redis.register_function('lacre_barrier_@', barrier)
redis.register_function('lacre_emptying_@', emptying)
redis.register_function('lacre_turn_@', turn)
redis.register_function('lacre_hold_@', hold)
redis.register_function('lacre_hold_on_@', hold_on)
redis.register_function('lacre_leave_@', leave)
redis.register_function('lacre_release_@', release)
redis.register_function('lacre_come_@', come)
redis.register_function('lacre_bring_@', bring)
redis.register_function('lacre_brought_@', brought)
redis.register_function('lacre_came_@', came)
redis.register_function('lacre_walk_@', walk)
