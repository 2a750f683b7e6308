-- Appends a message to the stream of a topic, with its offset as its ID, and publishes it with its
-- position as a prefix.
local meta, stream = KEYS[1], KEYS[2]
local process, new_epoch, memory, max_len, age, channel, payload = unpack(ARGV)
local epoch = topic(meta, stream, process, new_epoch, memory)
-- Lua's numbers are exact up to 2^53, but are printed with 14 digits by default.
local offset = string.format('%.0f', redis.call('HINCRBY', meta, 'offset', 1))
redis.call('XADD', stream, 'MAXLEN', '~', max_len, offset .. '-0', 'p', payload)
redis.call('PEXPIRE', stream, age)
local position = epoch .. '-' .. offset
redis.call('PUBLISH', channel, position .. ' ' .. payload)
return position
