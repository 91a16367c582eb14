const KEY = 'socket.io-proxy2 admin token';

/** The token lives in this tab: in sessionStorage, or in memory where the browser keeps none. */
let kept = '';

export function token() {
  try {
    return sessionStorage.getItem(KEY) ?? kept;
  } catch {
    return kept;
  }
}

export function setToken(value) {
  kept = value;
  try {
    if (value === '') sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, value);
  } catch {
    // It is kept in memory.
  }
}
