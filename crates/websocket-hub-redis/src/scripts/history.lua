-- Returns the position of a topic, followed by the messages from an offset on if the first of them
-- is stored, or by the last messages in reverse order, each after its ID.
local meta, stream = KEYS[1], KEYS[2]
local process, new_epoch, memory, since_epoch, from, recent = unpack(ARGV)
local epoch, offset = topic(meta, stream, process, new_epoch, memory)
local entries = {}
if since_epoch ~= '' then
  local first = redis.call('XRANGE', stream, from, '+', 'COUNT', 1)[1]
  if since_epoch == epoch and first and first[1] == from then
    entries = redis.call('XRANGE', stream, from, '+')
  end
elseif recent ~= '0' then
  entries = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', recent)
end
local reply = {epoch .. '-' .. offset}
for _, entry in ipairs(entries) do
  reply[#reply + 1] = entry[1]
  reply[#reply + 1] = entry[2][2]
end
return reply
