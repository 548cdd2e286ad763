-- ARGV: node, cursor
return redis.call('SSCAN', rooms_key(ARGV[1]), ARGV[2], 'COUNT', '512')
