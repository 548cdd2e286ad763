-- ARGV: room, node, node epoch, peer
local room, node = ARGV[1], ARGV[2]
local key = peers_key(node, room)
local stored = peers_epoch(node, room)
read_home(room)
if stored == tonumber(ARGV[3]) then
  redis.call('HDEL', key, ARGV[4])
  if redis.call('HLEN', key) <= 1 then
    redis.call('UNLINK', key)
    unindex(node, room)
  end
end
return {}
