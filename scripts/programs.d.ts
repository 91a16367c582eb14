/** Where a program is: one of those that `ensure-programs.mjs` looks for. */
export function find(name: 'redis-server' | 'nginx' | 'haproxy' | 'chromium' | 'python3' | 'helm'): string | undefined;
