import assert from 'node:assert/strict';
import { once } from 'node:events';
import Default, { ErrorCode, MemoryStore, Proxy, RedisStore } from 'socket.io-proxy2';
import * as all from 'socket.io-proxy2';
import { storeTests } from 'socket.io-proxy2/store-tests';

assert.equal(Default, Proxy);
assert.equal(Proxy.name, 'Proxy');
assert.equal(MemoryStore, Proxy.MemoryStore);
assert.equal(RedisStore, Proxy.RedisStore);
assert.equal(ErrorCode.SESSION_UNKNOWN, 1);
assert.equal(all.default, Proxy);
assert.ok(storeTests({ create: () => new MemoryStore() }).length > 10);

const proxy = new Proxy({ store: new MemoryStore(), hosts: ['127.0.0.1:1'] });
proxy.listen(0, '127.0.0.1');
await once(proxy, 'listening');
await proxy.close();
console.log('closed');
