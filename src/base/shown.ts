/** How many characters of a sid are shown: enough to tell sessions apart, too few to take one over. */
const SID_LENGTH = 6;

/** The part of a sid that the access log and `DEBUG` may show: its first characters. */
export function shownSid(sid: string): string {
  return startOf(sid, SID_LENGTH);
}

/** The start of a text, never cut in the middle of a surrogate pair: half a character is invalid in URLs and logs. */
export function startOf(text: string, length: number): string {
  return text.slice(0, length).replace(/[\ud800-\udbff]$/, '');
}

/** A reason, with what a person has to know besides. */
export function withText(reason: string, text: string | undefined): string {
  return text === undefined ? reason : `${reason} (${text})`;
}
