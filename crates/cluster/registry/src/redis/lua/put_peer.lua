-- ARGV: room, node, node epoch, peer, note, lease
local room, node, epoch = ARGV[1], ARGV[2], tonumber(ARGV[3])
fence(node, epoch)
check_lease(node, epoch, tonumber(ARGV[6]))
local key = peers_key(node, room)
local stored = peers_epoch(node, room)
if stored and stored > epoch then
  refuse('FENCED ' .. int(stored))
end
if stored and stored < epoch then
  redis.call('UNLINK', key)
end
redis.call('HSET', key, '', int(epoch), ARGV[4], ARGV[5])
redis.call('SADD', rooms_key(node), room)
return {}
