import type { FleetReport, MemberReport, Operator } from '../operating/operator';
import { jsonReply, type Reply } from './reply';

/** The fleet, as JSON. */
export function fleetReply({ fleet }: Operator): Reply {
  const { enabled, revision, agree, members }: FleetReport = fleet;
  return jsonReply(200, { enabled, revision: revision ?? null, agree, members: members.map(memberOf) });
}

function memberOf({ since, revision, ...rest }: MemberReport): Readonly<Record<string, unknown>> {
  return { ...rest, since: since.toISOString(), revision: revision ?? null };
}
