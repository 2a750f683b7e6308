-- Appends a message to the stream of a topic, with its offset as its id, and publishes it with its position in front.
local meta, stream = KEYS[1], KEYS[2]
local process, new_epoch, memory, max_len, age, channel, payload = unpack(ARGV)
local epoch = topic(meta, stream, process, new_epoch, memory)
-- Numbers of Lua are exact up to 2^53, and printed with 14 digits unless told otherwise.
local offset = string.format('%.0f', redis.call('HINCRBY', meta, 'offset', 1))
redis.call('XADD', stream, 'MAXLEN', '~', max_len, offset .. '-0', 'p', payload)
redis.call('PEXPIRE', stream, age)
local position = epoch .. '-' .. offset
redis.call('PUBLISH', channel, position .. ' ' .. payload)
return position
