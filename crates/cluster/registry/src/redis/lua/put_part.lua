-- ARGV: room, node, node epoch, number, mark, lease
local room, node, epoch, seq = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
fence(node, epoch)
check_lease(node, epoch, tonumber(ARGV[6]))
local stored, stored_seq = read_part(room, node)
if stored and stored > epoch then
  refuse('FENCED ' .. int(stored))
end
if stored == epoch and stored_seq > seq then
  return {}
end
redis.call('HSET', room_key(room), 'p:' .. node, int(epoch) .. ' ' .. int(seq) .. ' ' .. ARGV[5])
redis.call('PERSIST', room_key(room))
redis.call('SADD', rooms_key(node), room)
return {}
