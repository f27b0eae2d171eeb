-- Gives back what was granted and not used to a budget that counted the grant: one that was known at that time and was not
-- read from a ledger later.
--
-- KEYS: that of the epoch, that of the budget. ARGV: cost, the moment of the grant in microseconds.

local id = string.match(redis.call('GET', KEYS[1]) or '', '^%x+ (%d+) ') or ''
local key = KEYS[2] .. '@' .. id
local since = tonumber(redis.call('HGET', key, 'since') or nil)
if since and since <= tonumber(ARGV[2]) then redis.call('HINCRBY', key, 'segments', '-' .. ARGV[1]) end
