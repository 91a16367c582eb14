import { pathOf, startOperated, type Operated } from '../support/admin';
import { Contract } from '../support/openapi';

const contract = new Contract();

/** For requests that change nothing there. */
let idle: Operated;

beforeAll(async () => {
  idle = await startOperated();
});

/** Sends a body, and holds the answer against what is described of the operation. */
async function send({ ask }: Operated, operation: string, what: string, status: number, body: unknown): Promise<void> {
  const reply = await ask(what, body);
  expect({ status: reply.status, body: reply.body.slice(0, 200) }).toMatchObject({ status });
  contract.check(operation, reply);
}

describe('hosts', () => {
  it.each<[takes: boolean, body: unknown]>([
    [true, { state: 'draining' }],
    [true, { state: 'active' }],
    [true, { weight: 0 }],
    [true, { weight: 1000, state: 'active' }],
    [true, { state: 'draining', deadline: 0, movesPerSecond: 0.001 }],
    [false, { state: 'gone' }],
    [false, { weight: -1 }],
    [false, { weight: 1001 }],
    [false, { weight: 1.5 }],
    [false, { weight: null }],
    [false, { weight: '1' }],
    [false, { state: 'draining', deadline: -1 }],
    [false, { state: 'draining', deadline: 2 ** 31 }],
    [false, { state: 'draining', deadline: 0.5 }],
    [false, { state: 'draining', deadline: 1, movesPerSecond: 0 }],
    [false, { state: 'draining', deadline: 1, movesPerSecond: 10_001 }],
    [false, { state: 'draining', movesPerSecond: 5 }],
    [false, { state: 'active', deadline: 1 }],
    [false, { weight: 1, deadline: 1 }],
    [false, { weight: 1, more: 1 }],
    [false, {}],
    [false, []],
    [false, null],
  ])('take a change where it is as described (%s): %j', async (takes, body) => {
    // That a deadline is for draining alone is described in words.
    const inWords = JSON.stringify(body) === '{"state":"active","deadline":1}';
    expect(contract.takes('PATCH /api/hosts/{host}', body)).toBe(takes || inWords);
    const operated = takes ? await startOperated() : idle;
    const before = operated.proxy.hosts;
    await send(operated, 'PATCH /api/hosts/{host}', `PATCH ${pathOf('127.0.0.1:1')}`, takes ? 200 : 422, body);
    if (!takes) expect(operated.proxy.hosts.map(({ weight, draining }) => [weight, draining])).toEqual(before.map(() => [1, false]));
  });

  it.each<[takes: boolean, body: unknown]>([
    [true, { host: '127.0.0.1:2' }],
    [true, { host: 'https://chat.example', weight: 0 }],
    [false, {}],
    [false, { host: 1 }],
    [false, { host: '127.0.0.1:2', weight: '1' }],
    [false, { host: '127.0.0.1:2', weight: 1001 }],
    [false, { host: '127.0.0.1:2', state: 'draining' }],
    [false, [{ host: '127.0.0.1:2' }]],
  ])('are added where the body is as described (%s): %j', async (takes, body) => {
    expect(contract.takes('POST /api/hosts', body)).toBe(takes);
    const operated = takes ? await startOperated() : idle;
    await send(operated, 'POST /api/hosts', 'POST /api/hosts', takes ? 201 : 422, body);
    expect(operated.proxy.hosts).toHaveLength(takes ? 2 : 1);
  });
});

it.each([0, 0.009, 600_001, '60', null])('a rebalance does not take %j sessions a minute', async (perMinute) => {
  expect(contract.takes('POST /api/rebalance', { perMinute })).toBe(false);
  await send(idle, 'POST /api/rebalance', 'POST /api/rebalance', 422, { perMinute });
});

it.each<[takes: boolean, body: unknown]>([
  [true, {}],
  [true, { hosts: ['127.0.0.1:2'] }],
  [true, { hosts: ['127.0.0.1:2', { host: 'https://chat.example', weight: 0 }], atLeast: 1, deadline: 0, movesPerSecond: 0.001 }],
  [true, { atLeast: 1000, deadline: 2 ** 31 - 1, movesPerSecond: 10_000 }],
  [false, { hosts: [] }],
  [false, { hosts: '127.0.0.1:2' }],
  [false, { hosts: null }],
  [false, { hosts: [{ weight: 1 }] }],
  [false, { hosts: [{ host: '127.0.0.1:2', weight: 1001 }] }],
  [false, { hosts: [{ host: '127.0.0.1:2', state: 'draining' }] }],
  [false, { atLeast: 0 }],
  [false, { atLeast: 1001 }],
  [false, { atLeast: 1.5 }],
  [false, { deadline: -1 }],
  [false, { deadline: 2 ** 31 }],
  [false, { deadline: null }],
  [false, { movesPerSecond: 0 }],
  [false, { movesPerSecond: 10_001 }],
  [false, { more: 1 }],
  [false, []],
  [false, null],
])('a rollout is taken where it is as described (%s): %j', async (takes, body) => {
  expect(contract.takes('POST /api/rollout', body)).toBe(takes);
  const operated = takes ? await startOperated() : idle;
  await send(operated, 'POST /api/rollout', 'POST /api/rollout', takes ? 202 : 422, body);
  if (!takes) expect((await idle.ask('GET /api/rollout')).json()).toBeNull();
});
