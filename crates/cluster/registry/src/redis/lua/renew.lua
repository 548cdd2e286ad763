-- ARGV: silence and new token, node, epoch, draining, record
local node, epoch = ARGV[2], tonumber(ARGV[3])
fence(node, epoch)
local token = memory(ARGV[1])
-- A lease that cannot be read is mended by this one.
local lease = redis.call('HGET', base .. 'leases', node)
local since = lease and string.match(lease, ' (%d%d?%d?%d?%d?%d?%d?%d?%d?)$') or '0'
redis.call('HSET', base .. 'epochs', node, int(epoch))
redis.call('HSET', base .. 'records', node, ARGV[5])
write_lease(node, { epoch = epoch, renewed = now, draining = ARGV[4], before = tonumber(since), since = 0 })
return { token }
