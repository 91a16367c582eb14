import type { Beat, FleetStore, LeaseGranted, Reading, Shown } from './fleet-store';
import { textOf } from '../sessions/redis-clients';
import { LEASE } from './lease-script';
import { BRIEF, BRIEF_LIFE, CLEARED, LIFE, type Register } from './registers';

/** Where members show themselves. Keys do not begin with `keyPrefix`, since a sid may be any text. */
const MEMBERS = '{socket.io-fleet}:members';

/** Where the members of one `keyPrefix` share registers: in the same slot of a cluster. */
const STATE = '{socket.io-fleet}:state:';

/** Where the members of one `keyPrefix` lease their slices of the rate: in the same slot, too. */
const RATE = '{socket.io-fleet}:rate:';

/** The latest time that is believed, in ms since the epoch. */
const MAX_TIME = 9_000_000_000_000;

/** The longest record that is read, in characters: that of some thousand hosts is shorter. */
const MAX_RECORD = 1_000_000;

/** After what time a silent member's record is deleted at the earliest, in ms: three of the longest intervals. */
const RECORD_LIFE = 60_000;

/** The longest that one is kept that says for how long it is needed, in ms: a day. */
const MAX_RECORD_LIFE = 86_400_000;

/**
 * One beat. Numbers are printed with `%.0f`, since Lua would round them. A field of the members is
 * `<at> <record>`, one of the state `<at> <by> <value>`. Fields of another form are left alone until they are written.
 * A time after the year 2255 is another form: the next ones would have more digits, which nobody reads.
 */
const BEAT = `
if redis.replicate_commands then redis.replicate_commands() end
${LEASE}
local members, state, leases = KEYS[1], KEYS[2], KEYS[3]
local id, record, known, life, recordLife = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local rate, wanted, slice, held, sharers, leaseLife = unpack(ARGV, 6, 11)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local granted, living = '', 0
if rate ~= '' then
  granted, living = lease(leases, id, now, tonumber(rate), tonumber(wanted), tonumber(slice), tonumber(held),
    tonumber(sharers), tonumber(leaseLife), ARGV[12] == '1')
  redis.call('PEXPIRE', leases, life)
end
local changed = false
for i = 13, #ARGV, 5 do
  local field, isNew, at, by, value = ARGV[i], ARGV[i + 1] == '1', tonumber(ARGV[i + 2]), ARGV[i + 3], ARGV[i + 4]
  local stored = redis.call('HGET', state, field)
  local storedAt, storedBy = string.match(stored or '', '^(%d+) (%S+) ')
  storedAt = storedAt and tonumber(storedAt) or 0
  if storedAt >= ${MAX_TIME} then storedAt = 0 end
  if isNew then at = math.max(now, at + 1, storedAt + 1) end
  if at > storedAt or (at == storedAt and by > (storedBy or '')) then
    redis.call('HSET', state, field, string.format('%.0f %s %s', at, by, value))
    changed = true
  end
end
local revision = redis.call('HGET', state, 'revision') or ''
if changed then
  revision = string.format('%.0f %s', math.max(now, (tonumber(string.match(revision, '^%d+') or 0) % 1e15) + 1), id)
  redis.call('HSET', state, 'revision', revision)
  local fields = redis.call('HGETALL', state)
  for i = 1, #fields, 2 do
    local at, value = string.match(fields[i + 1], '^(%d+) %S+ (.*)$')
    local kept = string.sub(fields[i], 1, ${BRIEF.length}) == '${BRIEF}' and ${BRIEF_LIFE} or tonumber(life)
    if value == '${CLEARED}' and now - tonumber(at) > kept then redis.call('HDEL', state, fields[i]) end
  end
end
local isNew = redis.call('HSET', members, id, string.format('%.0f %s', now, record))
local shown = redis.call('HGETALL', members)
for i = 1, #shown, 2 do
  local at, keep = string.match(shown[i + 1], '^(%d+) {"keep":(%d+)')
  at = tonumber(at or string.match(shown[i + 1], '^(%d+) ') or now)
  keep = math.max(recordLife, math.min(tonumber(keep or 0), ${MAX_RECORD_LIFE}))
  if math.abs(now - at) > keep then redis.call('HDEL', members, shown[i]) end
end
redis.call('PEXPIRE', members, life)
redis.call('PEXPIRE', state, life)
local all = revision ~= known and redis.call('HGETALL', state) or false
return { string.format('%.0f', now), revision, shown, all, granted, living, isNew }
`;

/** Runs a script on a Redis. Resolves with its answer. */
export type Evaluate = (script: string, keys: readonly string[], args: readonly string[]) => Promise<unknown>;

/** Lets members meet in Redis. */
export class RedisFleet implements FleetStore {
  readonly #evaluate: Evaluate;
  readonly #keys: readonly string[];
  readonly #rateKey: string;

  constructor(evaluate: Evaluate, keyPrefix: string) {
    this.#evaluate = evaluate;
    this.#keys = [MEMBERS, STATE + keyPrefix];
    this.#rateKey = RATE + keyPrefix;
  }

  async beat({ id, record, revision, writes, lease }: Beat): Promise<Reading> {
    const changes = writes.flatMap(({ name, isNew, register: { at, by, value } }) => (
      [name, isNew ? '1' : '0', String(at), by, value]
    ));
    const { rate = '', wanted = 0, slice = 0, held = 0, sharers = 0, life = 0, left = false } = lease ?? {};
    const asked = [...[rate, wanted, slice, held, sharers, Math.ceil(life)].map(String), left ? '1' : '0'];
    const args = [id, record, revision, String(LIFE), String(RECORD_LIFE), ...asked, ...changes];
    // While a cluster moves a slot, it refuses a script one of whose keys does not exist.
    const keys = lease ? [...this.#keys, this.#rateKey] : this.#keys;
    return readingOf(await this.#evaluate(BEAT, keys, args));
  }
}

/** @throws TypeError when the answer is none of the script's. */
function readingOf(answer: unknown): Reading {
  if (!Array.isArray(answer) || answer.length < 4) throw new TypeError("the Redis client cannot run scripts by 'eval'");
  const [time, revision, shown, state, granted, sharers, isNew] = answer as unknown[];
  const now = Number(textOf(time) ?? NaN);
  if (!Number.isFinite(now)) throw new TypeError('the Redis client does not pass on what a script answers');
  const members = new Map<string, Shown>();
  for (const [id, text] of pairsOf(shown)) {
    const [, at, record] = /^(\d{1,13}) (.*)$/s.exec(text) ?? [];
    if (at === undefined || record === undefined || record.length > MAX_RECORD) continue;
    members.set(id, { at: Number(at), record });
  }
  const registers = Array.isArray(state) ? registersOf(state) : undefined;
  const lease = leaseOf(granted, sharers);
  return { now, revision: textOf(revision) ?? '', members, isNew: Number(isNew) === 1, registers, lease };
}

function leaseOf(granted: unknown, sharers: unknown): LeaseGranted | undefined {
  const text = textOf(granted) ?? '';
  const lease = { granted: Number(text), sharers: Number(sharers) };
  return text !== '' && Number.isFinite(lease.granted + lease.sharers) ? lease : undefined;
}

function registersOf(state: unknown): Map<string, Register> {
  const registers = new Map<string, Register>();
  for (const [name, text] of pairsOf(state)) {
    const [, at, by, value] = /^(\d{1,13}) (\S+) (.*)$/s.exec(text) ?? [];
    if (at === undefined || by === undefined || value === undefined || Number(at) >= MAX_TIME) continue;
    registers.set(name, { at: Number(at), by, value });
  }
  return registers;
}

function pairsOf(flat: unknown): [string, string][] {
  const items = Array.isArray(flat) ? flat.map(textOf) : [];
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < items.length; i += 2) pairs.push([items[i] ?? '', items[i + 1] ?? '']);
  return pairs;
}
