import { once } from 'node:events';
import type { AccessEntry } from '../../src';
import { Clients } from '../support/clients';
import { startHost } from '../support/hosts';
import { handshake, pollUrl, request } from '../support/http';
import { before, startSessionHost } from '../support/session-host';

it("refuses a client whose app puts a sid of its own into the query, as its host would", async () => {
  const host = await startHost();
  const { proxy, url } = await before([host]);
  const clients = new Clients();
  const connect = (to: string, query: object): Promise<unknown> => clients.connect({ url: to, transports: ['polling'], query });
  await expect(connect(`http://${host.name}`, { sid: 'mine' })).rejects.toThrow(/xhr poll error.*400/);
  const access = once(proxy, 'access') as Promise<[AccessEntry]>;
  await expect(connect(url, { sid: 'mine' })).rejects.toThrow(/xhr poll error.*400/);
  expect((await access)[0]).toMatchObject({ status: 400, cause: 'never_seen' });
  await connect(url, { session: 'mine' });
});

it('refuses a request with two sids, of which servers take one or the other', async () => {
  const host = await startSessionHost();
  const { url } = await before([host]);
  const sid = await handshake(url);
  expect(await request(pollUrl(url, sid), { method: 'POST', body: '2' })).toMatchObject({ status: 200 });
  for (const twice of [`${pollUrl(url, sid)}&sid=mine`, pollUrl(url, sid).replace('sid=', 'sid=mine&sid=')]) {
    const { status, body } = await request(twice, { method: 'POST', body: '2' });
    expect([status, body]).toEqual([400, expect.stringContaining('"code":1')]);
  }
});
