/** All mutants, in the order of the table. */

import { CLIENT_MUTANTS } from "./client-mutants.ts";
import { ELECTION_MUTANTS } from "./election-mutants.ts";
import type { Mutant } from "./mutant.ts";
import { REPLICATION_MUTANTS } from "./replication-mutants.ts";

export const MUTANTS: readonly Mutant[] = [
  ...ELECTION_MUTANTS,
  ...REPLICATION_MUTANTS,
  ...CLIENT_MUTANTS,
];
