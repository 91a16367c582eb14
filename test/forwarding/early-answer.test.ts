import http from 'node:http';
import { startServer } from '../support/http';
import { startProxy } from '../support/proxy';

/** Posts so many bytes as fast as they are taken, and resolves with the answer. Rejects when the connection ends without. */
function upload(url: string, size: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const req = http.request(`${url}/socket.io/?EIO=4&transport=polling`, { method: 'POST', headers: { 'Content-Length': size } });
    const chunk = Buffer.alloc(65_536);
    let left = size;
    const write = (): void => {
      while (left > 0) {
        const part = chunk.subarray(0, left);
        left -= part.length;
        if (!req.write(part)) {
          req.once('drain', write);
          return;
        }
      }
      req.end();
    };
    req.on('error', reject).on('response', (res) => {
      let body = '';
      res.setEncoding('utf8').on('data', (text: string) => (body += text)).on('error', reject);
      res.on('end', () => resolve(`${res.statusCode} ${body}`));
    });
    write();
  });
}

/** It answers before it has read the body, and closes: what it has not read makes that a reset. */
it.each([1000, 20_000, 1e6, 1e7, 1e8])('the answer of a host that reads none of %d bytes and closes reaches the client', async (size) => {
  const { name } = await startServer((req, res) => {
    if (req.method !== 'POST') {
      res.end();
      return;
    }
    res.writeHead(413, { Connection: 'close' }).end('too large');
    req.socket.destroySoon();
  });
  const { url } = await startProxy({ hosts: [name] });
  const answers = [];
  for (let i = 0; i < 10; i += 1) answers.push(await upload(url, size));
  expect(answers).toEqual(answers.map(() => '413 too large'));
});
