/** Redis works and refuses the fleet: by rights, or because it has no scripts, or another value under the keys. */
const REFUSAL = /^-?(?:NOPERM|NOSCRIPT|ERR|WRONGTYPE)\b/;

/** What may pass by itself. Redis before 7 says it in an `ERR` of the script. */
const PASSING = /\b(?:READONLY|NOREPLICAS|MISCONF|OOM|LOADING|BUSY|MASTERDOWN|max number of clients)\b/;

/** Whether a failed beat shows that Redis, or its client, cannot serve the fleet. */
export function isRefusal(error: Error): boolean {
  return (REFUSAL.test(error.message) && !PASSING.test(error.message)) || error instanceof TypeError;
}
