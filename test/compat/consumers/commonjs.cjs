const assert = require('node:assert/strict');
const { EventEmitter } = require('node:events');
const Proxy = require('socket.io-proxy2');
const { storeTests } = require('socket.io-proxy2/store-tests');

assert.equal(Proxy.name, 'Proxy');
assert.ok(Proxy.prototype instanceof EventEmitter);
assert.equal(Proxy.Proxy, Proxy);
assert.equal(Proxy.default, Proxy);
assert.equal(Proxy.MemoryStore.name, 'MemoryStore');
assert.equal(Proxy.RedisStore.name, 'RedisStore');
assert.equal(Proxy.ErrorCode.SESSION_UNKNOWN, 1);
assert.ok(storeTests({ create: () => new Proxy.MemoryStore() }).length > 10);
assert.equal(typeof require('redis').createClient, 'function');
assert.equal(require('socket.io-proxy2/package.json').name, 'socket.io-proxy2');
assert.throws(() => require('socket.io-proxy2/dist/proxy.js'), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' });

const proxy = new Proxy({ store: new Proxy.MemoryStore(), hosts: ['127.0.0.1:1'] });
assert.ok(proxy instanceof Proxy);
proxy.listen(0, '127.0.0.1', () => proxy.close(() => console.log('closed')));
