-- ARGV: silence and new token, seen token, room, at least, lease, create, join (home, at, nowhere), node to join, candidates
check_memory(ARGV[1], ARGV[2])
local room, at_least, length = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local before = read_home(room)
local home = nil
if before and before.epoch >= at_least then
  local lease = read_lease(before.node)
  if lease and lease.epoch == before.node_epoch and is_alive(lease, length) then
    home = before
  end
end

local created = not home
local stored = number(redis.call('HGET', room_key(room), 'epoch'), "a room's epoch") or 0
if not home then
  if ARGV[6] ~= '1' and not is_held(room) then
    refuse('NOROOM')
  end
  for i = 9, #ARGV do
    local lease = read_lease(ARGV[i])
    if lease and lease.draining == '0' and is_alive(lease, length) then
      home = { node = ARGV[i], node_epoch = lease.epoch, epoch = math.max(stored, at_least) + 1 }
      break
    end
  end
  if not home then
    refuse('NOCANDIDATE')
  end
end

-- Nothing is written before everything is read.
local join = home.node
if ARGV[7] == 'at' then
  join = ARGV[8]
end
local lease = read_lease(join)

if created then
  local text = int(home.epoch) .. ' ' .. int(home.node_epoch) .. ' ' .. home.node
  redis.call('HSET', room_key(room), 'epoch', int(home.epoch), 'home', text)
  redis.call('PERSIST', room_key(room))
  redis.call('SADD', rooms_key(home.node), room)
  if before then
    unindex(before.node, room)
  end
end
local pending = 0
if lease then
  if ARGV[7] ~= 'nowhere' then
    lease.since = lease.since + 1
    write_lease(join, lease)
  end
  pending = lease.before + lease.since
end
return { home.node, int(home.node_epoch), int(home.epoch), created and '1' or '0', int(pending) }
