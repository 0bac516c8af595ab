/** Enters into the ledger what each replica's state machine goes through. */

import { decodeConfChange } from "../../../src/shared/raft/conf-change-codec.ts";
import type { ConfState } from "../../../src/shared/raft/conf-state.ts";
import { applyConfChangeTo } from "../../../src/shared/raft/config-change.ts";
import { type Entry, EntryType } from "../../../src/shared/raft/entry.ts";
import type { Snapshot } from "../../../src/shared/raft/snapshot.ts";
import type { Ledger } from "./checkers/ledger.ts";
import { violate } from "./checkers/violation.ts";
import { hashBytes } from "./kv-command.ts";
import type { StoreImage, StoreObserver } from "./store-image.ts";

export class LedgerKeeper implements StoreObserver {
  readonly #ledger: Ledger;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  noteApplied({ replica, machine, conf }: StoreImage, entry: Entry): void {
    const hashes = { entry: hashBytes(entry.data), state: machine.hash };
    this.#ledger.noteApplied(replica, entry, hashes);
    if (entry.type === EntryType.CONF_CHANGE) this.#ledger.noteConf(replica, entry.index, conf);
    const command = machine.lastCommand;
    if (command === null || !machine.wasEffective) return;
    this.#ledger.noteEffect(command.session, command.sequence, entry.index);
  }

  noteInstalled({ replica, machine }: StoreImage, snapshot: Snapshot): void {
    this.#ledger.expectState(replica, snapshot.index, machine.hash);
    this.#ledger.expectConf(replica, snapshot.index, snapshot.conf);
  }

  confAfter(conf: ConfState, entry: Entry): ConfState {
    const change = decodeConfChange(entry.data);
    if (change === null) violate("assertion", `entry ${entry.index} is no configuration change`);
    const result = applyConfChangeTo(conf, change);
    if (result.conf === null) violate("assertion", `entry ${entry.index}: ${result.refusal}`);
    return result.conf;
  }
}
