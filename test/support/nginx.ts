import { userInfo } from 'node:os';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import type { Balancer, BalancerOptions } from './balancer';
import { adapt, blockOf, startOnSomePort, temporaryFolder, versionOf, Program } from './program';
import { CERT, KEY } from './tls';

const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

/** An nginx that speaks TLS with the clients, with the configuration of docs/in-front.md. */
export async function startNginx(ports: readonly number[], { idleTimeout }: BalancerOptions = {}): Promise<Balancer> {
  const folder = temporaryFolder('nginx-');
  const file = join(folder, 'nginx.conf');
  writeFileSync(join(folder, 'cert.pem'), CERT);
  writeFileSync(join(folder, 'key.pem'), KEY);
  const configure = (port: number, drained?: number): void => {
    const keep = idleTimeout === undefined ? '' : ` keepalive_timeout ${idleTimeout}ms;`;
    const block = adapt(blockOf('docs/in-front.md', 'nginx'), [
      ['listen 443 ssl', `listen 127.0.0.1:${port} ssl`],
      ['keepalive 64;', `keepalive 64;${keep}`],
      ...ports.map((proxy, i) =>
        [`server 127.0.0.1:${4000 + i};`, `server 127.0.0.1:${proxy}${drained === i ? ' down' : ''};`] as const),
    ]);
    writeFileSync(file, [
      // The workers of one who may open any port would else be another user's, who may not read the folder.
      ...(process.getuid?.() === 0 ? [`user ${userInfo().username};`] : []),
      `daemon off; pid ${folder}/pid; error_log stderr notice; worker_processes 1; events {}`,
      `http { access_log off; ${TEMPORARY.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}`,
      block, '}',
    ].join('\n'));
  };
  const { port, program } = await startOnSomePort('start worker process ', (candidate) => {
    configure(candidate);
    return new Program('nginx', ['-e', 'stderr', '-p', folder, '-c', file]);
  });
  const reload = async (drained?: number): Promise<void> => {
    configure(port, drained);
    // By then the worker with the former configuration has answered all that it had taken.
    const reloaded = program.line('exited with code 0');
    program.signal('SIGHUP');
    await reloaded;
  };
  const version = await versionOf('nginx', ['-v'], /nginx\/(\S+)/);
  return { name: 'nginx', version, port, url: `https://127.0.0.1:${port}`, drain: reload, restore: reload };
}
