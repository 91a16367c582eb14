import type { Reading } from './fleet-store';

/** How often a member shows itself, in ms, and by how much each time differs. */
export const INTERVAL = 1500;
export const JITTER = 500;

/** The longest interval, in ms: three of them are less than a record's life in Redis. */
const MAX_INTERVAL = 15_000;

/** How much a member reads in a second at most, in bytes. With many members or hosts, beats come less often. */
const BYTES_PER_SECOND = 200_000;

/** How often a member is to show itself that has read this, in ms. */
export function intervalAfter({ members, registers }: Reading): number {
  let size = 0;
  for (const { record } of members.values()) size += record.length;
  for (const [name, { value }] of registers ?? []) size += name.length + value.length;
  return Math.min(MAX_INTERVAL, Math.max(INTERVAL, Math.ceil(size / BYTES_PER_SECOND * 1000)));
}
