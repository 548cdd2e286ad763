-- ARGV: room, node, node epoch, room epoch, how long to remember the room
local room, node = ARGV[1], ARGV[2]
local home = read_home(room)
if not home or home.node ~= node or home.node_epoch ~= tonumber(ARGV[3]) or home.epoch ~= tonumber(ARGV[4]) then
  return { '0' }
end
redis.call('HDEL', room_key(room), 'home')
unindex(node, room)
tidy(room, tonumber(ARGV[5]))
return { '1' }
