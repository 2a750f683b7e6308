-- Returns the epoch and the offset of a topic, as text. Begins a new epoch if the topic is unknown,
-- or if its state was written by another Redis process, which may have lost messages since.
local function topic(meta, stream, process, new_epoch, memory)
  local known = redis.call('HMGET', meta, 'epoch', 'process', 'offset')
  if not (known[1] and known[2] == process and known[3]) then
    redis.call('DEL', meta, stream)
    redis.call('HSET', meta, 'epoch', new_epoch, 'process', process, 'offset', '0')
    known = {new_epoch, process, '0'}
  end
  redis.call('PEXPIRE', meta, memory)
  return known[1], known[3]
end
