import type { Operator } from '../operating/operator';
import { jsonReply, type Reply } from './reply';
import { fleetJson } from './snapshot';

/** The fleet, as JSON. */
export function fleetReply({ fleet }: Operator): Reply {
  return jsonReply(200, fleetJson(fleet));
}
