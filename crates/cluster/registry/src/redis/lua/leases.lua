-- ARGV: silence and new token, whether records are wanted
local token, age = memory(ARGV[1])
local leases = redis.call('HGETALL', base .. 'leases')
if ARGV[2] ~= '1' then
  return { token, int(now), int(age), leases }
end
return { token, int(now), int(age), leases, redis.call('HGETALL', base .. 'records') }
