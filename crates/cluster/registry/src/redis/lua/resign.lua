-- ARGV: node, epoch, how long to remember it
local node = ARGV[1]
fence(node, tonumber(ARGV[2]))
end_lease(node, tonumber(ARGV[3]))
return {}
