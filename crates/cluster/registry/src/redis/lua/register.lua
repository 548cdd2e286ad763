-- ARGV: silence and new token, node, at least, draining, record
local node = ARGV[2]
local stored = number(redis.call('HGET', base .. 'epochs', node), "a node's epoch") or 0
local epoch = math.max(stored, tonumber(ARGV[3])) + 1
local token = memory(ARGV[1])
redis.call('HSET', base .. 'epochs', node, int(epoch))
redis.call('HSET', base .. 'records', node, ARGV[5])
write_lease(node, { epoch = epoch, renewed = now, draining = ARGV[4], before = 0, since = 0 })
return { token, int(epoch) }
