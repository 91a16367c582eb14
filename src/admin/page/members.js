/** Of the mark that says how a member is, all in all: those that need somebody come first. */
const ORDER = ['bad', 'leaving', 'waiting', 'good'];

/**
 * The members, each with `troubles`: lists of a mark's kind, a word and a sentence. This proxy comes first, then those
 * that have troubles. Where Redis does not answer, `isOld` says that a member may be otherwise by now.
 *
 * @param fleet as the server tells of it.
 */
export function membersOf(fleet) {
  const sharing = fleet.members.filter(({ agrees }) => agrees);
  const newest = Math.max(0, fleet.revision ?? 0, ...sharing.map(({ revision }) => revision ?? 0));
  const members = fleet.members.map((member) => {
    // What it has shown last of itself is older than what this proxy knows of itself.
    const revision = (member.self ? fleet.revision : member.revision) ?? 0;
    const troubles = [
      !member.agrees && ['bad', 'Disagrees', `It has other ${differencesOf(member)}.`],
      // One that disagrees may share nothing, and then knows no revision of ours.
      member.agrees && revision !== newest && ['leaving', 'Behind', 'It has not told that it knows the last change.'],
    ].filter((trouble) => trouble !== false);
    return { ...member, troubles, isOld: !fleet.reached && !member.self };
  });
  return members.sort((a, b) => rankOf(a) - rankOf(b));
}

/** In what a member differs, in words. */
export const differencesOf = ({ differences }) => differences.join(' and ');

/** Of the mark that says how a member is, all in all. */
export function kindOf({ ready, troubles, isOld }) {
  if (!ready || troubles.some(([kind]) => kind === 'bad')) return 'bad';
  if (troubles.length > 0) return 'leaving';
  return isOld ? 'waiting' : 'good';
}

const rankOf = (member) => (member.self ? -1 : ORDER.indexOf(kindOf(member)));
