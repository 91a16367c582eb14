/** How many letters of a sid are shown: enough to tell sessions apart, and too few to take one over. */
const SID_LENGTH = 6;

/** What of a sid may be written down, in the access log and by `DEBUG`: its first letters. */
export function shownSid(sid: string): string {
  return startOf(sid, SID_LENGTH);
}

/** Half a character has no place in a URL, nor in a log. */
export function startOf(text: string, length: number): string {
  return text.slice(0, length).replace(/[\ud800-\udbff]$/, '');
}
