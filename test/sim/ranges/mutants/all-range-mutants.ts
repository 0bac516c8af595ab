/** All mutants of ranges, in the order of the table. */

import { GROUP_MUTANTS } from "./group-mutants.ts";
import { INBOX_MUTANTS } from "./inbox-mutants.ts";
import { OTHER_MUTANTS } from "./other-mutants.ts";
import type { RangeMutant } from "./range-mutant.ts";
import { REPLICA_MUTANTS } from "./replica-mutants.ts";

export const ALL_RANGE_MUTANTS: readonly RangeMutant[] = [
  ...INBOX_MUTANTS,
  ...OTHER_MUTANTS,
  ...GROUP_MUTANTS,
  ...REPLICA_MUTANTS,
];
