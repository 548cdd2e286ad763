-- ARGV: room, whether one is wanted, which
local room = ARGV[1]
local found = {}
for _, field in ipairs(redis.call('HKEYS', room_key(room))) do
  local node = string.match(field, '^p:(.+)$')
  if node then
    local epoch = read_part(room, node)
    local key = peers_key(node, room)
    if peers_epoch(node, room) == epoch then
      local peers
      if ARGV[2] == '1' then
        local note = redis.call('HGET', key, ARGV[3])
        peers = note and { ARGV[3], note } or {}
      else
        peers = redis.call('HGETALL', key)
      end
      found[#found + 1] = { node, int(epoch), peers }
    end
  end
end
return { found }
