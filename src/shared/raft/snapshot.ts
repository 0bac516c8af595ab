/**
 * A snapshot as Raft sees it: which prefix of the log it replaces and who the members were at that
 * very index, joint or not (raft pitfall 66). `data` is the host's: a manifest, not the state
 * itself, which travels beside Raft.
 */

import type { ConfState } from "./conf-state.ts";

export interface Snapshot {
  readonly index: number;
  readonly term: number;
  readonly conf: ConfState;
  readonly data: Uint8Array;
}
