/**
 * What must hold in every world of ranges. The number is the one in the simulator's README; the
 * name is what a failing seed and the table of mutants show.
 */

export const RANGE_INVARIANTS = {
  durable: "R1 what is answered is on the disks of a quorum",
  sameLog: "R2 replicas apply the same entries",
  sameState: "R3 equal logs, equal state, whatever was written, lost or cut meanwhile",
  stored: "R4 an acknowledged message is delivered",
  order: "R5 messages leave in the order in which they came",
  exactlyOnce: "R6 QoS 2 is delivered once",
  exchange: "R7 exchanges keep their identifier, their message and their window",
  session: "R8 a session keeps what it was promised, until it ends by rule",
  route: "R9 who is subscribed is matched",
  will: "R10 a will is published when it is due, and only then",
  retained: "R11 the last retained message of a topic stays",
  expiry: "R12 nothing expires early, and nothing expired is sent",
  bounded: "R13 what waits offline is not in memory",
  clean: "R14 what is over leaves nothing behind",
  progress: "R15 without faults everything is answered",
  assertion: "R16 the machines' own assertions hold",
  group: "R17 a message goes to one member of a shared group, while that one's session lives",
  qosZero: "R18 QoS 0 is delivered at most once",
} as const;

export type RangeInvariant = keyof typeof RANGE_INVARIANTS;

export class Breach extends Error {
  override readonly name = "Breach";
  readonly invariant: RangeInvariant;

  constructor(invariant: RangeInvariant, text: string) {
    super(`${RANGE_INVARIANTS[invariant]}: ${text}`);
    this.invariant = invariant;
  }
}

/** Ends the run unless `condition` holds. `text` is made only then. */
export function demand(condition: boolean, invariant: RangeInvariant, text: () => string): void {
  if (!condition) throw new Breach(invariant, text());
}
