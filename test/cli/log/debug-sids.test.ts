import { startCommand } from '../../support/command';
import { handshake, pollUrl, request } from '../../support/http';
import { RedisProcess, sharedRedisUrl, uniqueKeyPrefix } from '../../support/redis';
import { startSessionHost } from '../../support/session-host';

it('shows of each sid by DEBUG what the access log shows, and no more', async () => {
  const host = await startSessionHost();
  const args = ['--hosts', host.name, '--admin-port', '0', '--redis', sharedRedisUrl(), '--key-prefix', uniqueKeyPrefix()];
  const { command, url } = await startCommand([...args, '--access-log', 'json'], { env: { DEBUG: 'socket.io-proxy*' } });
  const sid = await handshake(url);
  const admin = /http:\S+/.exec(await command.line(/the admin server is http/))?.[0] ?? '';
  const unknown = 'a-sid-that-nobody-has-seen';
  expect((await request(pollUrl(url, unknown))).status).toBe(400);
  expect((await request(`${admin}/api/sessions/${unknown}?token=hidden-in-the-query`)).status).toBe(404);
  expect((await request(`${admin}/api/sessions/${sid}`, { method: 'DELETE' })).status).toBe(204);
  expect((await request(pollUrl(url, sid))).status).toBe(400);
  command.signal('SIGTERM');
  await command.ended();
  const all = command.output + command.errors;
  for (const secret of [sid, unknown, 'hidden-in-the-query']) expect(all).not.toContain(secret);
  // What the refusals, the bindings and the forwarder have to say of it.
  for (const told of ['opened on', `→ ${host.name} for`, 'unbound']) {
    expect(command.errors.split('\n').some((line) => line.includes(`${sid.slice(0, 6)} `) && line.includes(told))).toBe(true);
  }
  for (const start of [sid, unknown]) expect(command.errors).toContain(`?sid=${start.slice(0, 6)}: 400`);
});

it('shows no whole sid of what a Redis has refused and quotes, in the log or by DEBUG', async () => {
  const host = await startSessionHost();
  const redis = await RedisProcess.start(['--rename-command', 'SET', '', '--rename-command', 'SETEX', '']);
  const { command, url } = await startCommand(['--hosts', host.name, '--redis', redis.url], { env: { DEBUG: 'socket.io-proxy*' } });
  const sid = await handshake(url);
  await command.line(/the store fails: .+ unknown command 'SET/i);
  command.signal('SIGTERM');
  await command.ended();
  expect(command.errors).toMatch(/degraded: .+ unknown command 'SET/i);
  expect(command.output + command.errors).not.toContain(sid);
});
