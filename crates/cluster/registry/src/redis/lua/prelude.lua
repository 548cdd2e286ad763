-- What all scripts share. KEYS[1] is what every key begins with. Whatever refuses, refuses before the first write: a
-- script that fails is not undone.
--
-- leases:  hash, node -> "epoch renewed draining before since": when it was renewed (ms), joins sent there before and since
-- epochs:  hash, node -> last start, also of nodes that are gone
-- records: hash, node -> JSON
-- gone:    sorted set, node by the time it went
-- memory:  hash, token, the time of the last call, the server's run id and since when it remembers
-- room:R:  hash, "epoch", "home" -> "epoch node_epoch node", "p:NODE" -> "node_epoch seq JSON"
-- peers:L:NODE:R: hash, "" -> node_epoch, peer -> note (L is the length of NODE)
-- rooms-of:NODE:  set of rooms

local base = KEYS[1]

-- Milliseconds that the server's clock may go back.
local BACK = 1000

local function int(number)
  return string.format('%.0f', number)
end

local function clock()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local now = clock()

local function refuse(text)
  error({ err = text })
end

-- Sixteen digits are what a double counts exactly.
local function number(text, what)
  if not text then
    return nil
  end
  if #text > 16 or not string.match(text, '^%d+$') then
    refuse('UNREADABLE ' .. what)
  end
  return tonumber(text)
end

local function read_lease(node)
  local text = redis.call('HGET', base .. 'leases', node)
  if not text then
    return nil
  end
  local what = 'a lease'
  local epoch, renewed, draining, before, since = string.match(text, '^(%d+) (%d+) ([01]) (%d+) (%d+)$')
  if not epoch then
    refuse('UNREADABLE ' .. what)
  end
  return {
    epoch = number(epoch, what),
    renewed = number(renewed, what),
    draining = draining,
    before = number(before, what),
    since = number(since, what),
  }
end

local function write_lease(node, lease)
  local fields = { int(lease.epoch), int(lease.renewed), lease.draining, int(lease.before), int(lease.since) }
  redis.call('HSET', base .. 'leases', node, table.concat(fields, ' '))
end

-- Every lease begins again: the time since the last renewal is not known.
local function renew_all()
  local all = redis.call('HGETALL', base .. 'leases')
  for i = 1, #all, 2 do
    local epoch, rest = string.match(all[i + 1], '^(%d+) %d+ (.*)$')
    if epoch then
      redis.call('HSET', base .. 'leases', all[i], epoch .. ' ' .. int(now) .. ' ' .. rest)
    end
  end
end

-- The name of what this server remembers. It is a new one when it has lost everything, has slept or its clock has jumped.
-- The argument says after how many milliseconds without any call no lease can be judged, which run of a server answers,
-- and what the new name is. Also for how many milliseconds it has remembered: a server that was started again, or has
-- taken over from another, may have lost what was written last.
local function memory(argument)
  local silence, run, new = string.match(argument, '^(%d+):([^:]*):(.+)$')
  local key = base .. 'memory'
  local stored = redis.call('HMGET', key, 'token', 'at', 'run', 'since')
  local token, at, since = stored[1], tonumber(stored[2] or ''), tonumber(stored[4] or '')
  if not token or not at or now < at - BACK or now - at > tonumber(silence) then
    redis.call('HSET', key, 'token', new, 'at', int(now), 'run', run, 'since', int(now))
    renew_all()
    return new, 0
  end
  if not since or stored[3] ~= run then
    since = now
    redis.call('HSET', key, 'run', run, 'since', int(now))
  end
  -- Not at every call: it is written to replicas.
  if now - at >= 250 then
    redis.call('HSET', key, 'at', int(now))
  end
  return token, math.max(now - since, 0)
end

local function check_memory(new, seen)
  local token = memory(new)
  if token ~= seen then
    refuse('RESTARTED ' .. token)
  end
end

local function is_alive(lease, length)
  return now - lease.renewed <= length
end

local function fence(node, epoch)
  local by = number(redis.call('HGET', base .. 'epochs', node), "a node's epoch")
  if by and by > epoch then
    refuse('FENCED ' .. int(by))
  end
end

-- What is written without a lease nobody would sweep.
local function check_lease(node, epoch, length)
  local lease = read_lease(node)
  if not lease or lease.epoch ~= epoch or not is_alive(lease, length) then
    refuse('UNLEASED')
  end
end

-- A node has no lease any more. The epochs of those that are gone for long are forgotten, a few at a time.
local function end_lease(node, keep)
  redis.call('HDEL', base .. 'records', node)
  if redis.call('HDEL', base .. 'leases', node) == 1 then
    redis.call('ZADD', base .. 'gone', int(now), node)
  end
  local old = redis.call('ZRANGEBYSCORE', base .. 'gone', '-inf', int(now - keep), 'LIMIT', '0', '16')
  for _, name in ipairs(old) do
    redis.call('ZREM', base .. 'gone', name)
    if redis.call('HEXISTS', base .. 'leases', name) == 0 then
      redis.call('HDEL', base .. 'epochs', name)
    end
  end
end

local function room_key(room)
  return base .. 'room:' .. room
end

local function peers_key(node, room)
  return base .. 'peers:' .. #node .. ':' .. node .. ':' .. room
end

local function rooms_key(node)
  return base .. 'rooms-of:' .. node
end

local function read_home(room)
  local text = redis.call('HGET', room_key(room), 'home')
  if not text then
    return nil
  end
  local epoch, node_epoch, node = string.match(text, '^(%d+) (%d+) (.+)$')
  if not epoch then
    refuse("UNREADABLE a room's home")
  end
  local what = "a room's home"
  return { epoch = number(epoch, what), node_epoch = number(node_epoch, what), node = node }
end

-- Epoch and number of a node's part.
local function read_part(room, node)
  local text = redis.call('HGET', room_key(room), 'p:' .. node)
  if not text then
    return nil
  end
  local epoch, seq = string.match(text, '^(%d+) (%d+) ')
  if not epoch then
    refuse('UNREADABLE a part')
  end
  return number(epoch, 'a part'), number(seq, 'a part')
end

local function peers_epoch(node, room)
  return number(redis.call('HGET', peers_key(node, room), ''), 'peers')
end

-- Whether somebody has the room: a home or a part.
local function is_held(room)
  local key = room_key(room)
  local epochs = redis.call('HEXISTS', key, 'epoch')
  return redis.call('HLEN', key) > epochs
end

-- The node has the room no more, unless something of it is still there.
local function unindex(node, room)
  local key = room_key(room)
  local home = read_home(room)
  if home and home.node == node then
    return
  end
  if redis.call('HEXISTS', key, 'p:' .. node) == 0 and redis.call('EXISTS', peers_key(node, room)) == 0 then
    redis.call('SREM', rooms_key(node), room)
  end
end

-- A room that nobody has any more keeps its epoch for a while.
local function tidy(room, keep)
  if not is_held(room) then
    redis.call('PEXPIRE', room_key(room), int(keep))
  end
end
