-- ARGV: room, node, node epoch, how long to remember the room
local room, node, epoch = ARGV[1], ARGV[2], tonumber(ARGV[3])
local part = read_part(room, node)
local peers = peers_epoch(node, room)
read_home(room)
if peers and peers <= epoch then
  redis.call('UNLINK', peers_key(node, room))
end
if part and part <= epoch then
  redis.call('HDEL', room_key(room), 'p:' .. node)
  tidy(room, tonumber(ARGV[4]))
end
unindex(node, room)
return {}
