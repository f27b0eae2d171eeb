-- One atomic reservation over all limits: history.py and spending.py, line by line, by the clock of this server.
--
-- KEYS: that of the epoch, then one for each limit. The epoch is "server id since": this server knows everything that it
-- granted since that moment, and nothing before it. A different server, or one that lost its keys, begins a new epoch, as
-- does one that evicted keys: a missing level would look like an idle one. In that case the answer is the error EVICTED.
-- The keys of an older epoch are ignored, and expire.
-- A level is a list: a header "total pace pace_cost wanted since asked expected kept for passed", then "moment cost" in
-- order of time, moments in microseconds. One key holds all of a level, so that it can only expire or be evicted as a whole.
-- A budget is a hash: "segments", and "since" when it is known.
-- ARGV: cost, now in microseconds ('' = the server's clock), lateness in microseconds, parts of a window for lateness,
-- entries and grace, pause in microseconds before a ledger is read, microseconds after which to ask again, the part that urgent
-- requests leave to others, 1 if this one is urgent; then for each limit its segments, 'level' or 'budget', and per and 0, or start and end, in microseconds.
-- Returns {wait, now, whether a budget is spent, id of the epoch, the limits whose ledger the caller has to read ...} as
-- text: Redis integers are exact, but "%.0f" needs no proof.

local READING_MILLISECONDS = 10000 -- a caller that reads a ledger and does not report back for this long is given up
local MISSED_MILLISECONDS = 60000 -- a budget that is no longer used is forgotten

local function text(...)
  local parts = {}
  for i, number in ipairs({...}) do parts[i] = string.format('%.0f', number) end
  return table.concat(parts, ' ')
end

local function divided(number, by) return (number - number % by) / by end

local function entry(level, index)
  local found = redis.call('LINDEX', level.key, index)
  if not found then return nil end
  local moment, cost = string.match(found, '^(%d+) (%d+)$')
  return tonumber(moment), tonumber(cost)
end

local function spacing(level)
  local cost = math.min(level.pace_cost, level.limit)
  local rest = cost * (level.per % level.limit)
  return cost * divided(level.per, level.limit) + divided(rest + level.limit - 1, level.limit)
end

local function load(level)
  local header = redis.call('LINDEX', level.key, 0)
  level.known = header ~= false
  local numbers = {}
  for number in string.gmatch(header or '0 0 0 0 0 0 0', '%d+') do numbers[#numbers + 1] = tonumber(number) end
  -- An earlier version wrote none of these.
  level.kept, level.for_urgent, level.passed = numbers[8] or 0, numbers[9] == 1, numbers[10] or 0
  level.total, level.pace, level.pace_cost = numbers[1], numbers[2], numbers[3]
  level.wanted, level.since, level.asked, level.expected = numbers[4], numbers[5], numbers[6], numbers[7]
end

local function save(level)
  if not level.known then return end
  redis.call('LSET', level.key, 0, text(level.total, level.pace, level.pace_cost,
    level.wanted, level.since, level.asked, level.expected,
    level.kept, level.for_urgent and 1 or 0, level.passed))
  redis.call('PEXPIRE', level.key, text(divided(level.per, 1000) + 1000))
end

local function forget(level, now)
  local gone = 0
  local moment, cost = entry(level, 1)
  while moment and moment <= now - level.per do
    level.total = level.total - cost
    gone = gone + 1
    moment, cost = entry(level, gone + 1)
  end
  -- The last removed entry stays in front for a moment: save() puts the header in its place.
  if gone > 0 then redis.call('LTRIM', level.key, gone, -1) end
  if level.known then save(level) end
  local ahead = 0
  if level.total > 0 then
    moment, cost = entry(level, -1)
    while moment and moment > now do
      redis.call('RPOP', level.key)
      ahead = ahead + cost
      moment, cost = entry(level, -1)
    end
    if ahead > 0 then redis.call('RPUSH', level.key, text(now, ahead)) end
  end
  level.pace = math.min(level.pace, now)
  if level.asked > now then level.wanted = 0 end
  if level.kept > now + 2 * level.per then level.kept = 0 end
  if level.total == 0 then level.passed = 0 end
end

local function room(level, cost, now)
  local excess = level.total + cost - level.limit
  local at, index = now, 1
  while excess > 0 do
    local moment, freed = entry(level, index)
    if not moment then break end
    excess = excess - freed
    at = moment + level.per
    index = index + 1
  end
  return at
end

local function is_owed(level, lower_parts) return level.passed >= lower_parts * level.cost end

local function ready(level, now, lower_parts, is_urgent)
  local at = room(level, level.cost, now)
  local has_waited_long = level.asked - level.since >= level.per
  if not is_urgent and level.wanted > level.cost and has_waited_long and now < level.expected then
    local wanted_at = room(level, math.min(level.wanted, level.limit), now)
    at = math.min(wanted_at, math.max(at, level.expected))
  end
  if level.for_urgent ~= is_urgent and (is_urgent or not is_owed(level, lower_parts)) then
    at = math.max(at, level.kept)
  end
  return math.max(at, level.pace + spacing(level))
end

local function take(level, now, lateness, lateness_parts, entry_parts, lower_parts, is_urgent)
  if not level.known then
    redis.call('RPUSH', level.key, '')
    level.known = true
  end
  local width = math.max(1, divided(level.per, entry_parts))
  local moment, cost
  if level.total > 0 then moment, cost = entry(level, -1) end
  if moment and divided(moment, width) == divided(now, width) then
    redis.call('LSET', level.key, -1, text(now, cost + level.cost))
  else
    redis.call('RPUSH', level.key, text(now, level.cost))
  end
  level.total = level.total + level.cost
  if level.total == level.cost then
    level.pace = now
  else
    local catch_up = math.min(lateness, divided(level.per, lateness_parts))
    level.pace = math.max(level.pace + spacing(level), now - catch_up)
  end
  level.pace_cost = level.cost
  if level.cost >= level.wanted then level.wanted = 0 end
  if level.for_urgent == is_urgent then level.kept = 0 end
  if is_urgent then
    level.passed = math.min(level.passed + level.cost, lower_parts * level.limit)
  else
    level.passed = 0
  end
end

local function refuse(level, now, lateness, lateness_parts, grace_parts, lower_parts, is_urgent)
  local has_turn
  if is_urgent then has_turn = now >= level.kept or level.for_urgent else has_turn = is_owed(level, lower_parts) end
  local at = ready(level, now, lower_parts, is_urgent)
  if has_turn and at > now then
    level.for_urgent = is_urgent
    level.kept = at + math.min(lateness, divided(level.per, lateness_parts))
  end
  local is_new = level.cost > level.wanted or now >= level.expected
  if level.total + level.cost > level.limit and (is_new or level.cost == level.wanted) then
    level.wanted = level.cost
    level.asked = now
    if is_new then level.since = now end
    level.expected = at + divided(level.per, grace_parts)
  end
end

local function begin(now)
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  local server = run .. text(string.match(redis.call('INFO', 'stats'), 'evicted_keys:(%d+)') or 0)
  local known, id, since = string.match(redis.call('GET', KEYS[1]) or '', '^(%x+) (%d+) (%d+)$')
  if known ~= server then
    id, since = text(now), now
  elseif tonumber(since) > now then
    since = now -- the clock was set back
  else
    return {id = id, since = tonumber(since)}
  end
  redis.call('SET', KEYS[1], server .. ' ' .. id .. ' ' .. text(since))
  -- This also covers an evicted epoch, as far as that can be detected: a server that never evicted reports no eviction.
  local has_evicted = known ~= server and known ~= nil and string.sub(known, 1, #run) == run
  return {id = id, since = since, has_evicted = has_evicted}
end

-- How long until the ledger of a limit without a record can be read; nil: its record is here.
local function unknown(limit, epoch, now, pause, again)
  local ripe
  if limit.is_level then
    -- A level without a record was idle, unless the epoch is younger than its window.
    if limit.known or now - epoch.since >= limit.per then return nil end
    ripe = epoch.since + math.min(pause, limit.per)
  else
    if limit.segments then return nil end
    local missed = limit.key .. ':missed'
    redis.call('SET', missed, text(now), 'NX', 'PX', MISSED_MILLISECONDS)
    ripe = math.min(now, tonumber(redis.call('GET', missed))) + pause
  end
  if now < ripe then return ripe - now end
  if redis.call('SET', limit.key .. ':reading', '1', 'NX', 'PX', READING_MILLISECONDS) then return 0 end
  return again
end

local function keep_budget(budget, now)
  redis.call('PEXPIRE', budget.key, text(math.max(0, divided(budget.ends - now, 1000)) + 1000))
end

local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local cost, again = tonumber(ARGV[1]), tonumber(ARGV[8])
local lateness, lateness_parts = tonumber(ARGV[3]), tonumber(ARGV[4])
local lower_parts, is_urgent = tonumber(ARGV[9]), ARGV[10] == '1'
local epoch = begin(now)
if epoch.has_evicted then return redis.error_reply('EVICTED limits may be gone and are counted again') end
local levels, budgets, missing = {}, {}, {}
local unknown_for
for i = 2, #KEYS do
  local at = 4 * i + 2
  local limit = {
    key = KEYS[i] .. '@' .. epoch.id, limit = tonumber(ARGV[at + 1]), is_level = ARGV[at + 2] == 'level',
  }
  if limit.is_level then
    limit.per = tonumber(ARGV[at + 3])
    limit.cost = math.min(cost, limit.limit)
    load(limit)
    levels[#levels + 1] = limit
  else
    limit.starts, limit.ends = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
    limit.segments = tonumber(redis.call('HGET', limit.key, 'segments') or nil)
    budgets[#budgets + 1] = limit
  end
  local wait = unknown(limit, epoch, now, tonumber(ARGV[7]), again)
  if wait == 0 then missing[#missing + 1] = text(i - 2) end
  if wait then unknown_for = math.max(unknown_for or 0, wait) end
end
if unknown_for then return {text(unknown_for), text(now), '0', epoch.id, unpack(missing)} end

local wait, is_spent = 0, false
for _, budget in ipairs(budgets) do
  local ready = math.max(now, budget.starts)
  if now >= budget.ends then
    ready = now + again
  elseif budget.segments + cost > budget.limit then
    is_spent = true
    ready = budget.ends
  end
  wait = math.max(wait, ready - now)
end
for _, level in ipairs(levels) do
  forget(level, now)
  wait = math.max(wait, ready(level, now, lower_parts, is_urgent) - now)
end
for _, level in ipairs(levels) do
  if wait == 0 then
    take(level, now, lateness, lateness_parts, tonumber(ARGV[5]), lower_parts, is_urgent)
  elseif not is_spent then -- a caller that waits for tomorrow needs no room today
    refuse(level, now, lateness, lateness_parts, tonumber(ARGV[6]), lower_parts, is_urgent)
  end
  save(level)
end
for _, budget in ipairs(budgets) do
  if wait == 0 then redis.call('HINCRBY', budget.key, 'segments', cost) end
  keep_budget(budget, now)
end
return {text(wait), text(now), is_spent and '1' or '0', epoch.id}
