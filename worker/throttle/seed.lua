-- Stores what the ledger says about a limit, unless another process stored it already.
--
-- KEYS: that of the limit. ARGV: how long to keep it in milliseconds, 'level' or 'budget', then the lines of the list, or the
-- fields of the hash and their values.

if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call(ARGV[2] == 'level' and 'RPUSH' or 'HSET', KEYS[1], unpack(ARGV, 3))
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
redis.call('DEL', KEYS[1] .. ':reading', KEYS[1] .. ':missed')
