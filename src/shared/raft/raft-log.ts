/**
 * The whole log of a replica: storage's part and the unstable part seen as one, and how far it is
 * committed, handed out for applying, and applied.
 *
 *   snapshot < first ... applied <= applying <= committed <= last
 *
 * Scope: one per replica. Index 0 with term 0 is the empty log's predecessor and matches
 * everywhere.
 */

import { assert } from "../base/assert.ts";
import { countWithin, type Entry, entriesBytes, NO_ENTRIES } from "./entry.ts";
import type { Snapshot } from "./snapshot.ts";
import { COMPACTED, NOT_YET, type RaftStorage, TERM_COMPACTED, TERM_UNKNOWN } from "./storage.ts";
import { UnstableLog } from "./unstable-log.ts";

export type EntriesRead = readonly Entry[] | typeof NOT_YET | typeof COMPACTED;

/** `tryAppend`: the entry before the new ones is not here. */
export const APPEND_MISMATCH = -1;

export class RaftLog {
  readonly #storage: RaftStorage;
  readonly #unstable: UnstableLog;
  readonly #maxApplyingBytes: number;
  /** The host writes a Ready before it applies it, so entries of that very Ready may be applied. */
  readonly #mayApplyUnstable: boolean;
  #committed: number;
  #applying: number;
  #applied: number;
  #applyingBytes = 0;
  #isApplyingPaused = false;
  /** Storage answered NOT_YET to the entries that come next. */
  #awaitsStorage = false;

  constructor(storage: RaftStorage, maxApplyingBytes: number, mayApplyUnstable: boolean) {
    this.#storage = storage;
    this.#unstable = new UnstableLog(storage.lastIndex() + 1);
    this.#maxApplyingBytes = maxApplyingBytes;
    this.#mayApplyUnstable = mayApplyUnstable;
    const snapshotIndex = storage.firstIndex() - 1;
    assert(snapshotIndex <= storage.lastIndex(), "storage: the last index is not before the first");
    this.#committed = snapshotIndex;
    this.#applying = snapshotIndex;
    this.#applied = snapshotIndex;
  }

  get committed(): number {
    return this.#committed;
  }

  get applied(): number {
    return this.#applied;
  }

  get applying(): number {
    return this.#applying;
  }

  get firstIndex(): number {
    const snapshot = this.#unstable.snapshot;
    return snapshot === null ? this.#storage.firstIndex() : snapshot.index + 1;
  }

  get lastIndex(): number {
    const unstable = this.#unstable;
    if (unstable.hasEntries || unstable.snapshot !== null) return unstable.lastIndex;
    // Entries that were dropped from the unstable part are in storage.
    return Math.max(this.#storage.lastIndex(), 0);
  }

  get lastTerm(): number {
    const term = this.term(this.lastIndex);
    assert(term >= 0, "log: the last entry's term is known");
    return term;
  }

  /** Everything up to here is on this replica's disk for certain. */
  get stableIndex(): number {
    return this.#unstable.offset - 1;
  }

  get hasUnstableEntries(): boolean {
    return this.#unstable.hasEntries;
  }

  get hasNextUnstableEntries(): boolean {
    return this.#unstable.hasNextEntries;
  }

  /** A snapshot was accepted and is not installed yet. */
  get hasPendingSnapshot(): boolean {
    return this.#unstable.snapshot !== null;
  }

  nextUnstableEntries(): readonly Entry[] {
    return this.#unstable.nextEntries();
  }

  nextUnstableSnapshot(): Snapshot | null {
    return this.#unstable.nextSnapshot();
  }

  acceptUnstable(): void {
    this.#unstable.acceptInProgress();
  }

  stableTo(index: number, term: number): void {
    this.#unstable.stableTo(index, term);
  }

  stableSnapshotTo(index: number): void {
    this.#unstable.stableSnapshotTo(index);
  }

  /** TERM_COMPACTED or TERM_UNKNOWN outside of firstIndex-1 .. lastIndex. */
  term(index: number): number {
    const unstable = this.#unstable.term(index);
    if (unstable !== TERM_UNKNOWN) return unstable;
    if (index < this.firstIndex - 1) return TERM_COMPACTED;
    if (index > this.lastIndex) return TERM_UNKNOWN;
    return this.#storage.term(index);
  }

  matches(index: number, term: number): boolean {
    return this.term(index) === term;
  }

  /**
   * Is a log that ends with (`index`, `term`) at least as complete as this one? Lexicographic, and
   * over unstable entries too (raft pitfall 16, Raft thesis §3.6.1).
   */
  isUpToDate(index: number, term: number): boolean {
    const lastTerm = this.lastTerm;
    return term > lastTerm || (term === lastTerm && index >= this.lastIndex);
  }

  /** Restart: where the stored hard state and the state machine stand. */
  restorePositions(committed: number, applied: number): void {
    assert(committed <= this.lastIndex, "log: committed entries are missing"); // raft pitfall 9
    this.#committed = Math.max(committed, this.#committed, applied);
    assert(this.#committed <= this.lastIndex, "log: applied entries are missing");
    this.#applied = Math.max(applied, this.#applied);
    this.#applying = this.#applied;
  }

  /** A leader's own entries. */
  append(entries: readonly Entry[]): void {
    // Raft pitfall 34.
    assert(entries[0]!.index > this.#committed, "log: committed entries are never replaced");
    this.#unstable.truncateAndAppend(entries);
  }

  /**
   * Takes over a leader's entries behind (`prevIndex`, `prevTerm`), which is not before the
   * committed index, and its commit index. Returns the index up to which this log now equals the
   * leader's, or APPEND_MISMATCH if the anchor is not here.
   */
  tryAppend(
    prevIndex: number,
    prevTerm: number,
    entries: readonly Entry[],
    leaderCommit: number,
  ): number {
    if (!this.matches(prevIndex, prevTerm)) return APPEND_MISMATCH;
    const lastNew = prevIndex + entries.length;
    const from = this.#firstConflict(entries);
    if (from < entries.length) this.append(from === 0 ? entries : entries.slice(from));
    // What lies behind this message's last entry may be another leader's (raft pitfall 35).
    this.commitTo(Math.min(leaderCommit, lastNew));
    return lastNew;
  }

  /**
   * The highest index up to `index` at which this log's term is at most `term`, hence the highest
   * at which it can match a log that has `term` at `index` (raft pitfall 38). Also any index whose
   * term is not known any more.
   */
  lastPossibleMatch(index: number, term: number): number {
    let at = index;
    while (at > 0 && this.term(at) > term) at--;
    return at;
  }

  /** Never goes down. */
  commitTo(index: number): void {
    if (index <= this.#committed) return;
    assert(index <= this.lastIndex, "log: only entries that are here can be committed");
    this.#committed = index;
  }

  /**
   * Commits what a quorum holds, if the entry is of the leader's own term; earlier ones follow it
   * (raft pitfall 31, Raft thesis §3.6.2). True if the index moved.
   */
  tryCommit(index: number, term: number): boolean {
    if (index <= this.#committed || this.term(index) !== term) return false;
    this.commitTo(index);
    return true;
  }

  /** Entries from `low` on, as far as they fit into `maxBytes`, at least one if there is one. */
  entriesFrom(low: number, maxBytes: number): EntriesRead {
    return low > this.lastIndex ? NO_ENTRIES : this.#slice(low, this.lastIndex + 1, maxBytes);
  }

  /** As above, up to the committed index; for looking at what is about to be applied. */
  committedFrom(low: number, maxBytes: number): EntriesRead {
    return low > this.#committed ? NO_ENTRIES : this.#slice(low, this.#committed + 1, maxBytes);
  }

  get hasNextCommitted(): boolean {
    // Snapshot and entries would ask which to apply first (raft pitfall 67).
    if (this.#isApplyingPaused || this.#awaitsStorage || this.hasPendingSnapshot) return false;
    return this.#applying < this.#maxAppliable();
  }

  /** The entries to apply next; none when they must be waited for. */
  nextCommitted(): readonly Entry[] {
    if (!this.hasNextCommitted) return NO_ENTRIES;
    const room = this.#maxApplyingBytes - this.#applyingBytes;
    const read = this.#slice(this.#applying + 1, this.#maxAppliable() + 1, room);
    assert(read !== COMPACTED, "storage: entries are compacted after they are applied");
    this.#awaitsStorage = read === NOT_YET;
    return read === NOT_YET ? NO_ENTRIES : read;
  }

  /** `entries` were handed out for applying. */
  acceptApplying(entries: readonly Entry[]): void {
    this.#applying = entries[entries.length - 1]!.index;
    this.#applyingBytes += entriesBytes(entries);
    // Bytes handed out and not applied yet are limited, or a slow store would fill the memory
    // (raft pitfall 47). A batch that ends early has met the limit.
    this.#isApplyingPaused =
      this.#applyingBytes >= this.#maxApplyingBytes || this.#applying < this.#maxAppliable();
  }

  appliedTo(index: number, bytes: number): void {
    assert(index <= this.#committed && index >= this.#applied, "log: applied in order");
    this.#applied = index;
    this.#applying = Math.max(this.#applying, index);
    this.#applyingBytes = Math.max(0, this.#applyingBytes - bytes);
    this.#isApplyingPaused = this.#applyingBytes >= this.#maxApplyingBytes;
  }

  storageReady(): void {
    this.#awaitsStorage = false;
  }

  snapshot(): Snapshot | typeof NOT_YET {
    return this.#unstable.snapshot ?? this.#storage.snapshot();
  }

  /** The snapshot replaces the log; applying goes on behind it. */
  restore(snapshot: Snapshot): void {
    this.#committed = snapshot.index;
    // Whatever was being fetched is not wanted any more.
    this.#awaitsStorage = false;
    this.#unstable.restore(snapshot);
  }

  /** Position in `entries` of the first that this log lacks or contradicts (raft pitfall 33). */
  #firstConflict(entries: readonly Entry[]): number {
    let at = 0;
    while (at < entries.length && this.matches(entries[at]!.index, entries[at]!.term)) at++;
    return at;
  }

  /** Only what is on this replica's own disk may be applied (raft pitfall 8). */
  #maxAppliable(): number {
    if (this.#mayApplyUnstable) return this.#committed;
    return Math.min(this.#committed, this.stableIndex);
  }

  #slice(low: number, high: number, maxBytes: number): EntriesRead {
    if (low < this.firstIndex) return COMPACTED;
    const offset = this.#unstable.offset;
    if (low >= offset) return limited(this.#unstable.slice(low, high), maxBytes);
    const stored = this.#storage.entries(low, Math.min(high, offset), maxBytes);
    if (stored === NOT_YET || stored === COMPACTED || high <= offset) return stored;
    // Storage stopped early because of the limit, so nothing of the rest would fit.
    if (low + stored.length < offset) return stored;
    const rest = this.#unstable.slice(offset, high);
    const room = maxBytes - entriesBytes(stored);
    const fitting = room > 0 ? limited(rest, room) : NO_ENTRIES;
    // `limited` grants one entry whatever its size; behind stored ones it must fit.
    if (fitting.length === 0 || entriesBytes(fitting) > room) return stored;
    return [...stored, ...fitting];
  }
}

function limited(entries: readonly Entry[], maxBytes: number): readonly Entry[] {
  const count = countWithin(entries, maxBytes);
  return count === entries.length ? entries : entries.slice(0, count);
}
