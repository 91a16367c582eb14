import { writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { adapt, Program, startOnSomePort, temporaryFolder } from './program';

const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

/** An nginx with this configuration, at another port than its 80. */
export async function startNginxWith(block: string): Promise<number> {
  const folder = temporaryFolder('nginx-');
  const { port } = await startOnSomePort('start worker process ', (candidate) => {
    writeFileSync(join(folder, 'nginx.conf'), [
      // The workers of one who may open any port would else be another user's, who may not read the folder.
      ...(process.getuid?.() === 0 ? [`user ${userInfo().username};`] : []),
      `daemon off; pid ${folder}/pid; error_log stderr notice; worker_processes 1; events {}`,
      `http { access_log off; ${TEMPORARY.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}`,
      adapt(block, [['listen 80;', `listen 127.0.0.1:${candidate};`]]), '}',
    ].join('\n'));
    return new Program('nginx', ['-e', 'stderr', '-p', folder, '-c', join(folder, 'nginx.conf')]);
  });
  return port;
}

/** A HAProxy with this configuration, at another port than its 80. */
export async function startHaproxyWith(block: string): Promise<number> {
  const file = join(temporaryFolder('haproxy-'), 'haproxy.cfg');
  const { port } = await startOnSomePort('Loading success', (candidate) => {
    writeFileSync(file, adapt(block, [['bind :80\n', `bind 127.0.0.1:${candidate}\n`]]));
    return new Program('haproxy', ['-W', '-db', '-f', file]);
  });
  return port;
}
