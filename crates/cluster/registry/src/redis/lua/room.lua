-- ARGV: room
return { redis.call('HGETALL', room_key(ARGV[1])) }
