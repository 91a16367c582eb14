import { keep, kept } from './kept.js';

const KEY = 'socket.io-proxy2 admin token';

/** The token lives in this tab. Empty where there is none. */
export const token = () => kept(KEY) ?? '';

export const setToken = (value) => keep(KEY, value === '' ? undefined : value);
