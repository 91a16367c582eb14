/**
 * The public names of `socket.io-proxy2`, written by `npm run docs` from the comments in `src/`.
 *
 * `require('socket.io-proxy2')` is the class {@link Proxy} itself. It, `MemoryStore`, `RedisStore`, `SidStore` and
 * `ErrorCode` are on it, and are named exports for `import`. The others are types.
 *
 * @module
 */
// As plain exports, since TypeDoc cannot follow the namespace that src/index.ts exports with `export =`.
export { Proxy } from '../../src/proxy';
export { ErrorCode } from '../../src/base/refusals';
export { RedisStore } from '../../src/sessions/redis-store';
export { MemoryStore } from '../../src/sessions/memory-store';
export { SidStore } from '../../src/sessions/sid-store';
export type * from '../../src/types';
