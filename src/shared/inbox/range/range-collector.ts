/**
 * Writes to the store what it does not have of a range, and lets go of what it has then and nobody
 * needs: a session without a connection keeps its head in memory and nothing else.
 */

import { RecordWriter } from "../../bytes/record-writer.ts";
import type { KeyValueWriter } from "../../range/key-value.ts";
import { writeExchange } from "./delivery-codec.ts";
import { writeHead } from "./head-codec.ts";
import { Changed, type Inbox, NO_WILL } from "./inbox.ts";
import {
  countersKey,
  exchangeKey,
  headKey,
  partKey,
  replayKey,
  SessionPart,
  subscriptionKey,
  takenKey,
  tenantKey,
} from "./inbox-key.ts";
import { sleep } from "./inbox-parts.ts";
import {
  writeDrops,
  writeInbound,
  writeReplayTopics,
  writeSubscribed,
  writeTenantShare,
  writeWill,
} from "./part-codec.ts";
import type { RangeState } from "./range-state.ts";

export class RangeCollector {
  readonly #state: RangeState;
  readonly #scratch = new RecordWriter();
  #collecting: Inbox[] | null = null;

  constructor(state: RangeState) {
    this.#state = state;
  }

  get isDirty(): boolean {
    const state = this.#state;
    if (state.listed.length > 0 || state.changedTenants.length > 0) return true;
    if (state.erased.size > 0) return true;
    if (state.taken.isDirty) return true;
    return state.isCounterChanged || state.shared.isDirty || state.outbox.isDirty;
  }

  /** True between `collect` and `collected`. */
  get isCollecting(): boolean {
    return this.#collecting !== null;
  }

  collect(writer: KeyValueWriter): void {
    const state = this.#state;
    state.erased.collect(writer);
    const inboxes = state.listed;
    this.#collecting = inboxes;
    state.listed = [];
    for (const inbox of inboxes) this.#collectInbox(inbox, writer);
    state.shared.collect(writer);
    state.outbox.collect(writer, this.#scratch);
    const { first } = state.buckets;
    state.taken.collect(writer, this.#scratch, (publisher) => takenKey(first, publisher));
    this.#collectTenants(writer);
    if (!state.isCounterChanged) return;
    state.isCounterChanged = false;
    this.#put(writer, countersKey(state.buckets.first), (scratch) => scratch.u64(state.lastNumber));
  }

  collected(): void {
    const state = this.#state;
    for (const inbox of this.#collecting ?? []) this.#settle(inbox);
    this.#collecting = null;
    state.shared.collected();
  }

  #collectInbox(inbox: Inbox, writer: KeyValueWriter): void {
    const { id, changed } = inbox;
    inbox.changed = Changed.NOTHING;
    inbox.isListed = false;
    if ((changed & Changed.WILL) !== 0) this.#collectWill(inbox, writer);
    if ((changed & Changed.DROPS) !== 0) {
      const { drops } = inbox;
      const key = partKey(id, SessionPart.DROPS);
      if (drops === null) writer.delete(key);
      else this.#put(writer, key, (scratch) => writeDrops(scratch, drops));
    }
    if ((changed & Changed.INBOUND) !== 0) {
      const { inbound } = inbox;
      const key = partKey(id, SessionPart.INBOUND);
      if (inbound === null || inbound.size === 0) writer.delete(key);
      else this.#put(writer, key, (scratch) => writeInbound(scratch, inbound));
    }
    if ((changed & Changed.SUBSCRIPTIONS) !== 0) this.#collectSubscriptions(inbox, writer);
    if ((changed & Changed.EXCHANGES) !== 0) this.#collectExchanges(inbox, writer);
    if ((changed & Changed.REPLAY) !== 0) this.#collectReplay(inbox, writer);
    inbox.queue?.collect(inbox, writer);
    this.#collectHead(inbox, writer);
  }

  #collectHead(inbox: Inbox, writer: KeyValueWriter): void {
    const key = headKey(inbox.id);
    if (!inbox.isEnded || inbox.waitingCount > 0) {
      this.#put(writer, key, (scratch) => writeHead(scratch, inbox));
      inbox.isHeadStored = true;
    } else if (inbox.isHeadStored) {
      writer.delete(key);
      inbox.isHeadStored = false;
    }
  }

  #collectWill(inbox: Inbox, writer: KeyValueWriter): void {
    const { will } = inbox;
    const key = partKey(inbox.id, SessionPart.WILL);
    if (will !== null) {
      this.#put(writer, key, (scratch) => writeWill(scratch, will));
      inbox.isWillStored = true;
    } else if (inbox.isWillStored && inbox.willDelaySeconds === NO_WILL) {
      writer.delete(key);
      inbox.isWillStored = false;
    }
  }

  #collectSubscriptions(inbox: Inbox, writer: KeyValueWriter): void {
    for (const slot of inbox.removedSlots ?? []) writer.delete(subscriptionKey(inbox.id, slot));
    for (const added of inbox.addedSubscriptions ?? []) {
      // Removed or replaced meanwhile.
      if (inbox.subscriptions?.get(added.filter) !== added) continue;
      const key = subscriptionKey(inbox.id, added.slot);
      this.#put(writer, key, (scratch) => writeSubscribed(scratch, added));
    }
    inbox.removedSlots = null;
    inbox.addedSubscriptions = null;
  }

  #collectExchanges(inbox: Inbox, writer: KeyValueWriter): void {
    for (const packetId of inbox.endedExchanges ?? []) {
      writer.delete(exchangeKey(inbox.id, packetId));
    }
    for (const delivery of inbox.changedExchanges ?? []) {
      const { packetId } = delivery;
      if (packetId === 0) continue;
      const awaiting = inbox.window!.awaiting(packetId);
      const key = exchangeKey(inbox.id, packetId);
      this.#put(writer, key, (scratch) => writeExchange(scratch, awaiting, delivery));
      delivery.isStored = true;
    }
    inbox.endedExchanges = null;
    inbox.changedExchanges = null;
  }

  #collectReplay(inbox: Inbox, writer: KeyValueWriter): void {
    const { id, replay } = inbox;
    if (inbox.endedReplayRows > 0) {
      for (let row = 0; row < inbox.endedReplayRows; row++) writer.delete(replayKey(id, row));
      inbox.endedReplayRows = 0;
    }
    if (replay === null) return;
    if (replay.rowCount === 0) {
      this.#put(writer, replayKey(id, 0), (scratch) => scratch.text(replay.filter));
      replay.rowCount = 1;
    }
    const { fresh } = replay;
    if (fresh.length === 0) return;
    const key = replayKey(id, replay.rowCount);
    this.#put(writer, key, (scratch) => writeReplayTopics(scratch, fresh));
    replay.rowCount += 1;
    replay.fresh = [];
  }

  #collectTenants(writer: KeyValueWriter): void {
    const state = this.#state;
    for (const tenant of state.changedTenants) {
      tenant.isChanged = false;
      if (tenant.shared.count > 0) {
        if (tenant.slot < 0) {
          state.lastSlot += 1;
          tenant.slot = state.lastSlot;
        }
        const key = tenantKey(state.buckets.first, tenant.slot);
        this.#put(writer, key, (scratch) => writeTenantShare(scratch, tenant));
      } else if (tenant.slot >= 0) {
        writer.delete(tenantKey(state.buckets.first, tenant.slot));
        tenant.slot = -1;
      }
      state.forgetIfEmpty(tenant);
    }
    state.changedTenants = [];
  }

  #settle(inbox: Inbox): void {
    const state = this.#state;
    inbox.queue?.collected(inbox, state);
    if (inbox.isAttached) return;
    if ((inbox.changed & ~Changed.HEAD) === 0) {
      sleep(state, inbox);
    }
    if (inbox.changed === Changed.NOTHING) inbox.queue = null;
  }

  #put(writer: KeyValueWriter, key: Uint8Array, write: (scratch: RecordWriter) => void): void {
    const scratch = this.#scratch;
    scratch.clear();
    write(scratch);
    writer.put(key, scratch.bytes.subarray(0, scratch.size));
  }
}
