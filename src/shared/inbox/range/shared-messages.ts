/**
 * Messages that several inboxes of a range have: stored once, with a count of the deliveries that
 * refer to them.
 *
 * A message is homed in the bucket of the first inbox that took it. After a split its home may lie
 * in the other range; then this range has a copy of its own, under a key in its first bucket. The
 * body is written once, together with the count of that moment; later counts stand beside it.
 *
 * ```
 *  body   u32 references · message
 *  count  u32 references
 * ```
 *
 * In memory is what deliveries in memory hold, and what differs from the store. A stored format.
 * Scope: one per range.
 */

import { assert } from "../../base/assert.ts";
import { RecordReader } from "../../bytes/record-reader.ts";
import { RecordWriter } from "../../bytes/record-writer.ts";
import { readMessage, writeMessage } from "../../mqtt/message-codec.ts";
import type { KeyValueReader, KeyValueWriter } from "../../range/key-value.ts";
import { StoredMessage, storedMessage, UNKNOWN_REFERENCES } from "./delivery.ts";
import type { SharedSource } from "./delivery-codec.ts";
import type { ErasedKeys } from "./erased-keys.ts";
import { bucketOfId, copyKey, messageKey } from "./inbox-key.ts";

/** Buckets of a range: [first, end). */
export interface Buckets {
  readonly first: number;
  readonly end: number;
}

// One thread, never re-entrant: each use runs to its end before anybody else's.
const scratch = new RecordWriter();
const reader = new RecordReader();

export class SharedMessages implements SharedSource {
  readonly #store: KeyValueReader;
  readonly #erased: ErasedKeys;
  #buckets: Buckets;
  readonly #messages = new Map<number, StoredMessage>();
  #changed: StoredMessage[] = [];
  /** May be forgotten: nobody in memory holds them. */
  #idle: StoredMessage[] = [];

  constructor(store: KeyValueReader, buckets: Buckets, erased: ErasedKeys) {
    this.#store = store;
    this.#buckets = buckets;
    this.#erased = erased;
  }

  get isDirty(): boolean {
    return this.#changed.length > 0;
  }

  /** Messages in memory. */
  get size(): number {
    return this.#messages.size;
  }

  set buckets(buckets: Buckets) {
    this.#buckets = buckets;
  }

  /** Those in memory. */
  inMemory(): IterableIterator<StoredMessage> {
    return this.#messages.values();
  }

  /** With body and count; null when this range has no record of it. Cold. */
  find(id: number): StoredMessage | null {
    const known = this.#messages.get(id);
    if (known === undefined) {
      const key = this.#keyOf(id, false);
      const body = this.#erased.has(key) ? null : this.#store.get(key);
      if (body === null) return null;
      reader.reset(body, 0, body.length);
      reader.u32();
      const message = readMessage(reader);
      reader.release();
      const { footprint, expiresAtMs } = storedMessage(message, true);
      const stored = this.hold(id, footprint, expiresAtMs);
      stored.message = message;
      this.unhold(stored);
    }
    const stored = known ?? this.#messages.get(id)!;
    this.load(stored);
    this.#count(stored);
    return stored;
  }

  /** Keeps a message that another range has let go of, or shares with this one. Cold. */
  adopt(stored: StoredMessage): void {
    this.#messages.set(stored.id, stored);
    stored.isChanged = false;
    this.#change(stored);
    stored.holders += 1;
    this.unhold(stored);
  }

  /** Takes over a message from a range that is used no more. Cold. */
  move(stored: StoredMessage): void {
    this.#messages.set(stored.id, stored);
    if (stored.isChanged) this.#changed.push(stored);
    if (stored.holders === 0) this.#idle.push(stored);
  }

  /** Nobody holds it; who does says so again before the next collection ends. Cold. */
  free(stored: StoredMessage): void {
    stored.holders = 1;
    this.unhold(stored);
  }

  /** Forgets a message; its records in the store are not touched. Cold. */
  forget(stored: StoredMessage): void {
    this.#messages.delete(stored.id);
  }

  /** Its count, or the place of its records, has changed. Cold. */
  touch(stored: StoredMessage): void {
    this.#change(stored);
  }

  /** Keys of what the store has of it. */
  recordsOf(stored: StoredMessage): Uint8Array[] {
    const keys: Uint8Array[] = [];
    if (stored.isStored) keys.push(this.#keyOf(stored.id, false));
    if (stored.isCountStored) keys.push(this.#keyOf(stored.id, true));
    return keys;
  }

  /** From now on `stored`, which nobody has yet, is stored apart from its deliveries. */
  add(stored: StoredMessage, id: number): void {
    stored.id = id;
    this.#messages.set(id, stored);
    this.#change(stored);
  }

  hold(id: number, footprint: number, expiresAtMs: number): StoredMessage {
    let stored = this.#messages.get(id);
    if (stored === undefined) {
      stored = new StoredMessage(null, footprint, expiresAtMs, true);
      stored.id = id;
      stored.isStored = true;
      stored.references = UNKNOWN_REFERENCES;
      this.#messages.set(id, stored);
    }
    stored.holders += 1;
    return stored;
  }

  /** A delivery that holds it leaves the memory, and stays in the store. */
  unhold(stored: StoredMessage): void {
    stored.holders -= 1;
    if (stored.holders === 0) this.#idle.push(stored);
  }

  /** One more delivery, in memory, refers to it; true for the first one. */
  acquire(stored: StoredMessage): boolean {
    this.#count(stored);
    stored.references += 1;
    stored.holders += 1;
    this.#change(stored);
    return stored.references === 1;
  }

  /** A delivery in memory is done with it; true for the last one. */
  release(stored: StoredMessage): boolean {
    this.#count(stored);
    assert(stored.references > 0, "released as often as acquired");
    stored.references -= 1;
    this.#change(stored);
    this.unhold(stored);
    return stored.references === 0;
  }

  /** Reads the message if only the store has it. */
  load(stored: StoredMessage): void {
    if (stored.message !== null) return;
    const body = this.#store.get(this.#keyOf(stored.id, false));
    assert(body !== null, "a message that deliveries refer to is stored");
    reader.reset(body, 0, body.length);
    reader.u32();
    stored.message = readMessage(reader);
    reader.release();
  }

  collect(writer: KeyValueWriter): void {
    for (const stored of this.#changed) {
      // Another range's now.
      if (this.#messages.get(stored.id) !== stored) continue;
      stored.isChanged = false;
      if (stored.references === 0) this.#erase(writer, stored);
      else if (stored.isStored) this.#putCount(writer, stored);
      else this.#putBody(writer, stored);
    }
    this.#changed = [];
  }

  collected(): void {
    const idle = this.#idle;
    this.#idle = [];
    for (const stored of idle) {
      if (stored.holders > 0) continue;
      if (stored.isChanged) this.#idle.push(stored);
      else if (this.#messages.get(stored.id) === stored) this.#messages.delete(stored.id);
    }
  }

  #erase(writer: KeyValueWriter, stored: StoredMessage): void {
    if (stored.isStored) writer.delete(this.#keyOf(stored.id, false));
    if (stored.isCountStored) writer.delete(this.#keyOf(stored.id, true));
    stored.isStored = false;
    stored.isCountStored = false;
  }

  #putBody(writer: KeyValueWriter, stored: StoredMessage): void {
    assert(stored.message !== null, "a message that is not stored is in memory");
    scratch.clear();
    scratch.u32(stored.references);
    writeMessage(scratch, stored.message);
    writer.put(this.#keyOf(stored.id, false), scratch.bytes.subarray(0, scratch.size));
    stored.isStored = true;
  }

  #putCount(writer: KeyValueWriter, stored: StoredMessage): void {
    scratch.clear();
    scratch.u32(stored.references);
    writer.put(this.#keyOf(stored.id, true), scratch.bytes.subarray(0, scratch.size));
    stored.isCountStored = true;
  }

  /** Reads the count of references if only the store has it. */
  #count(stored: StoredMessage): void {
    if (stored.references !== UNKNOWN_REFERENCES) return;
    const count = this.#store.get(this.#keyOf(stored.id, true));
    stored.isCountStored = count !== null;
    const record = count ?? this.#store.get(this.#keyOf(stored.id, false));
    assert(record !== null, "a message that deliveries refer to is stored");
    reader.reset(record, 0, 4);
    stored.references = reader.u32();
    reader.release();
  }

  #keyOf(id: number, isCount: boolean): Uint8Array {
    const { first, end } = this.#buckets;
    const home = bucketOfId(id);
    const isHome = home >= first && home < end;
    return isHome ? messageKey(id, isCount) : copyKey(first, id, isCount);
  }

  #change(stored: StoredMessage): void {
    if (stored.isChanged) return;
    stored.isChanged = true;
    this.#changed.push(stored);
  }
}
