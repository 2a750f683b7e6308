-- Appends a message to the stream of a topic, with its offset as its id, and publishes it with its position in front.
local meta, stream = KEYS[1], KEYS[2]
local process, new_epoch, memory, max_len, age, channel, payload = unpack(ARGV)
local epoch = topic(meta, stream, process, new_epoch, memory)
redis.call('HINCRBY', meta, 'offset', 1)
-- As text: a number of Lua would lose digits.
local offset = redis.call('HGET', meta, 'offset')
redis.call('XADD', stream, 'MAXLEN', '~', max_len, offset .. '-0', 'p', payload)
redis.call('PEXPIRE', stream, age)
local position = epoch .. '-' .. offset
redis.call('PUBLISH', channel, position .. ' ' .. payload)
return position
