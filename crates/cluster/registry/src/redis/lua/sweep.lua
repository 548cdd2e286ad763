-- ARGV: silence and new token, seen token, node, epoch, lease, cursor, how long to remember rooms, and nodes
check_memory(ARGV[1], ARGV[2])
local node, epoch = ARGV[3], tonumber(ARGV[4])
local lease = read_lease(node)
local is_present = lease and lease.epoch <= epoch
if is_present and is_alive(lease, tonumber(ARGV[5])) then
  refuse('ALIVE ' .. int(math.max(now - lease.renewed, 0)))
end

local page = redis.call('SSCAN', rooms_key(node), ARGV[6], 'COUNT', '128')
-- Nothing is written before everything is read.
local found = {}
for _, room in ipairs(page[2]) do
  local home = read_home(room)
  found[#found + 1] = {
    room = room,
    home = home and home.node == node and home.node_epoch <= epoch,
    part = (read_part(room, node) or math.huge) <= epoch,
    peers = (peers_epoch(node, room) or math.huge) <= epoch,
  }
end
local swept = {}
for _, of in ipairs(found) do
  if of.home then
    redis.call('HDEL', room_key(of.room), 'home')
  end
  if of.part then
    redis.call('HDEL', room_key(of.room), 'p:' .. node)
  end
  if of.peers then
    redis.call('UNLINK', peers_key(node, of.room))
  end
  if of.home or of.part then
    swept[#swept + 1] = of.room
    tidy(of.room, tonumber(ARGV[7]))
  end
  unindex(node, of.room)
end
if page[1] == '0' and is_present then
  end_lease(node, tonumber(ARGV[8]))
end
return { page[1], swept }
