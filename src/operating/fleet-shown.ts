/** What all members of the fleet have of a host, as this proxy last heard. */
export interface FleetCounts {
  /** How many sessions they know. A session that goes through several counts once: see docs/fleet.md. */
  readonly sessions: number;
  /** How many WebSockets are open or opening. */
  readonly tunnels: number;
  /** How many polls are in progress. */
  readonly polls: number;
  /** How many members see the host up. */
  readonly up: number;
  /** How many members see the host down. */
  readonly down: number;
  /** Whether all drain it. This proxy may drain a host for itself alone. */
  readonly draining: boolean;
  /** Who has set what for all, and when, as far as it still holds. */
  readonly set: readonly FleetSetting[];
}

/** What was set for a host at all members. */
export interface FleetSetting {
  /** Whether it is a host, its weight, or whether it drains. */
  readonly what: 'listed' | 'weight' | 'drain';
  /** When, by Redis's clock; `undefined` for what Redis has not dated yet. */
  readonly at: Date | undefined;
  /** The id of the member that was told. It may have ended since. */
  readonly by: string;
}

/** What other members of the fleet may still have on a host, by what each has shown last. All are their ids. */
export interface Remains {
  /** Those that have something there. */
  readonly using: readonly string[];
  /** Those that have shown nothing there, and not that they drain the host. */
  readonly open: readonly string[];
  /** Those that are gone, and whose sessions may go on: their clients may come to any member. */
  readonly gone: readonly string[];
}

/** The fleet, as this member knows it. */
export interface FleetReport {
  /** Whether the proxy is a member of a fleet. */
  readonly enabled: boolean;
  /** When the state of hosts that all share last changed, by Redis's clock; `undefined` if it never has. */
  readonly revision: number | undefined;
  /**
   * Whether Redis answers this member's beats. Where it does not, the members are those that were known last, changes
   * hold at this proxy alone, and no host counts as drained.
   */
  readonly reached: boolean;
  /** Redis answers, and refuses the beats, for example since the user lacks rights. */
  readonly refused: boolean;
  /** All members have the same hosts, `path` and `keyPrefix`. */
  readonly agree: boolean;
  /** This member first, then the others, the oldest first. */
  readonly members: readonly MemberReport[];
}

/** A member of the fleet. */
export interface MemberReport {
  /** The host's name, the process's id, and eight random digits: `web-1:4711:9f3c07d2`. */
  readonly id: string;
  /** Whether this is the proxy that reports. */
  readonly self: boolean;
  /** The version of the package. */
  readonly version: string;
  /** When it was started, by Redis's clock. */
  readonly since: Date;
  /** Whether it takes new sessions. */
  readonly ready: boolean;
  /** The number of its processes that serve. */
  readonly workers: number;
  /** Whether it has the hosts, `path` and `keyPrefix` that this proxy has. */
  readonly agrees: boolean;
  /** In which of these it differs. */
  readonly differences: readonly ('hosts' | 'path' | 'keyPrefix')[];
  /** The revision that it knows. */
  readonly revision: number | undefined;
  /** How long ago it showed itself, in seconds. */
  readonly seenAgo: number;
  /** How many sessions it knows. */
  readonly sessions: number;
  /** How many WebSockets through it are open or opening. */
  readonly tunnels: number;
  /** How many polls through it are in progress. */
  readonly polls: number;
  /** How many sessions a second were opened through it, in the time before it showed itself. */
  readonly handshakesPerSecond: number;
}
