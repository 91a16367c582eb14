import type { ServerResponse } from 'node:http';
import { Answer } from '../../src/forwarding/answer';
import { exchangeBytes, startServer } from '../support/http';

/** What a client receives of the body of an answer. */
async function received(answer: (answer: Answer, res: ServerResponse) => void): Promise<string> {
  const { port } = await startServer((_, res) => answer(new Answer(res), res));
  const text = await exchangeBytes(port, 'GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n');
  return text.slice(text.indexOf('\r\n\r\n') + 4);
}

const headed = (answer: Answer, length: number): void => answer.head(200, 'OK', ['Content-Length', String(length)]);

/** In the next turn, when what was written in this one has left. */
const later = (then: () => void): void => void setImmediate(then);

it.each([2, 16_384, 16_385, 200_000])('keeps nothing of the chunks that it is given (%d bytes)', async (length) => {
  const chunk = Buffer.alloc(length, 'a');
  const body = await received((answer) => {
    headed(answer, 2 * length);
    answer.write(chunk);
    chunk.fill('b');
    answer.write(chunk);
    chunk.fill('c');
    answer.end();
  });
  expect(body).toBe('a'.repeat(length) + 'b'.repeat(length));
});

it('sends every byte as it is', async () => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const body = await received((answer) => {
    headed(answer, 256);
    answer.write(bytes);
    answer.end();
  });
  expect(Buffer.from(body, 'latin1')).toEqual(bytes);
});

it('sends the head at once where nothing follows it yet', async () => {
  const seen: boolean[] = [];
  const body = await received((answer, res) => {
    headed(answer, 2);
    const { socket } = res;
    seen.push(Number(socket?.bytesWritten) > 0);
    answer.flush();
    seen.push(Number(socket?.bytesWritten) > 0);
    later(() => {
      answer.write(Buffer.from('ok'));
      answer.flush();
      answer.end();
    });
  });
  expect({ seen, body }).toEqual({ seen: [false, true], body: 'ok' });
});

it('sends what has come of the body with the head, and the rest when it comes', async () => {
  const body = await received((answer, res) => {
    headed(answer, 4);
    answer.write(Buffer.from('ab'));
    answer.flush();
    const { bytesWritten } = Object(res.socket) as { bytesWritten: number };
    later(() => {
      // Nothing but the second half.
      answer.write(Buffer.from(bytesWritten > 2 ? 'cd' : '??'));
      answer.end();
    });
  });
  expect(body).toBe('abcd');
});
