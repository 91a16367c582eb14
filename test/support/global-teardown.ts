export default function globalTeardown(): void {
  globalThis.sharedRedis?.kill();
}
