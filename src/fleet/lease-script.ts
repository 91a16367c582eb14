/** The longest that a lease can be believed to live, in ms: the clock of another Redis may have been ahead. */
const MAX_LIFE = 60_000;

/**
 * A function of the script of a beat: leases a slice of the rate. A field is `<until> <held> <wanted>`, both as parts
 * of the rate, so that members with different rates can share them.
 *
 * - The rate is shared by max-min fairness. Each member counts as if it wanted a quarter of an equal part at least.
 *   What nobody wants is shared out evenly.
 * - Where there is one handshake a second for each, slices are whole: else each member would round up in some second.
 * - A member gets no more than the others do not hold. It holds what it uses until it says that it uses less.
 * - Members that the asking one knows, and that have no lease here, hold an equal part: Redis may have lost them. They
 *   may also use more than that, so until they have leases nobody gets more than it had.
 */
export const LEASE = `
local function lease(key, id, now, rate, wanted, slice, held, known, life, left)
  local all, others = { { id = id, wanted = wanted / rate } }, 0
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    local ends, holds, want = string.match(fields[i + 1], '^(%d+) ([%d.]+) ([%d.]+)$')
    ends, holds, want = tonumber(ends or ''), tonumber(holds or ''), tonumber(want or '')
    if not (ends and holds and want) or holds > 1 or ends <= now or ends > now + ${MAX_LIFE} then
      redis.call('HDEL', key, fields[i])
    elseif fields[i] ~= id then
      others = others + holds
      all[#all + 1] = { id = fields[i], wanted = want }
    end
  end
  local living = #all
  local part = rate / math.max(living, known)
  for i = living + 1, known do all[i] = { id = '', wanted = part / rate } end
  local least = math.max(part / 4, math.min(part, 1))
  for _, each in ipairs(all) do each.wanted = math.max(least, each.wanted * rate) end
  table.sort(all, function(a, b) return a.wanted < b.wanted or (a.wanted == b.wanted and a.id < b.id) end)
  local rest = rate
  for i, each in ipairs(all) do
    each.gets = math.min(each.wanted, rest / (#all - i + 1))
    rest = rest - each.gets
  end
  local isWhole = part >= 1 and #all > 1
  local spare = math.floor(rate)
  for _, each in ipairs(all) do
    each.gets = each.gets + rest / #all
    if isWhole then each.gets = math.floor(each.gets + 1e-6) end
    spare = spare - each.gets
  end
  local granted = 0
  for i = #all, 1, -1 do
    if isWhole and spare >= 1 then
      all[i].gets = all[i].gets + 1
      spare = spare - 1
    end
    if all[i].id == id then granted = all[i].gets end
  end
  local unheld = math.max(0, rate * (1 - others))
  local free = math.max(0, unheld - part * (#all - living))
  if isWhole then free = math.floor(free + 1e-4) end
  granted = left and 0 or math.min(granted, free)
  if #all > living then granted = math.min(granted, slice) end
  local holds = math.min(math.max(granted, held), unheld)
  redis.call('HSET', key, id, string.format('%.0f %.12f %.12f', now + life, holds / rate, wanted / rate))
  return string.format('%.9f', granted), living
end
`;
