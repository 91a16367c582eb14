/** What is kept lives in this tab: in sessionStorage, or in memory where the browser keeps none. */
const memory = new Map();

/** What was kept under the name; undefined if nothing was. */
export function kept(name) {
  try {
    return sessionStorage.getItem(name) ?? memory.get(name);
  } catch {
    return memory.get(name);
  }
}

/** @param value undefined: nothing is kept any more. */
export function keep(name, value) {
  memory.set(name, value);
  try {
    if (value === undefined) sessionStorage.removeItem(name);
    else sessionStorage.setItem(name, value);
  } catch {
    // It is kept in memory.
  }
}
