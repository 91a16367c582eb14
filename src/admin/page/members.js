/** A member that was not seen for so long, in seconds, has missed beats: the usual interval is one and a half. */
const SILENT = 5;

/** No member is to be silent for longer, in seconds, however many there are: see `MAX_INTERVAL` in src/fleet. */
const SILENT_AT_MOST = 40;

/**
 * The members, each with `troubles`: lists of a mark's kind, a word and a sentence.
 *
 * @param fleet as the server tells of it.
 */
export function membersOf(fleet) {
  const sharing = fleet.members.filter(({ agrees }) => agrees);
  const newest = Math.max(0, fleet.revision ?? 0, ...sharing.map(({ revision }) => revision ?? 0));
  const silence = silenceIn(fleet.members);
  return fleet.members.map((member) => {
    // What it has shown last of itself is older than what this proxy knows of itself.
    const revision = (member.self ? fleet.revision : member.revision) ?? 0;
    const isSilent = !member.self && member.seenAgo > silence;
    const troubles = [
      !member.agrees && ['bad', 'Disagrees', 'It spells hosts, path or keyPrefix otherwise.'],
      // One that disagrees may share nothing, and then knows no revision of ours.
      member.agrees && revision !== newest && ['leaving', 'Behind', 'It has not told that it knows the last change.'],
      isSilent && ['bad', 'Silent', `It was last seen ${Math.round(member.seenAgo)} s ago.`],
    ].filter((trouble) => trouble !== false);
    return { ...member, troubles };
  });
}

/** Of the mark that says how a member is, all in all. */
export function kindOf({ ready, troubles }) {
  if (!ready || troubles.some(([kind]) => kind === 'bad')) return 'bad';
  return troubles.length > 0 ? 'leaving' : 'good';
}

/** In a large fleet all members show themselves less often: then one is silent that lags behind the others. */
function silenceIn(members) {
  const times = members.map(({ seenAgo }) => seenAgo).sort((a, b) => a - b);
  const median = times[Math.floor((times.length - 1) / 2)] ?? 0;
  return Math.min(SILENT_AT_MOST, Math.max(SILENT, 2.5 * median));
}
