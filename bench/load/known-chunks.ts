/**
 * Chunks of a fan-out that many subscribers read in the same bytes.
 *
 * What the first of them reads is judged packet by packet and kept. Another one that expects the
 * same sequence number and reads the same bytes must come to the same verdict, so one comparison of
 * memory replaces the walk: every byte of every delivery is still looked at, at a tenth of the
 * cost, and the broker stays the limit of the run.
 *
 * Only for one publisher and small payloads: there the walk costs more than the comparison. Only
 * what was in order and intact is kept.
 */

/** Found by the first sequence number; a newer chunk takes the place of an older one. */
const PLACES = 256;
const MAX_CHUNK_BYTES = 64 * 1024;
const MAX_DELIVERIES = 1024;
export const LARGEST_KNOWN_PAYLOAD = 512;

export class KnownChunk {
  /**
   * Sequence number of the first delivery in it, or of the next one if it holds none; -1 = unused.
   */
  first = -1;
  deliveries = 0;
  /** The `sent` word of each delivery. */
  readonly sent = new Uint32Array(MAX_DELIVERIES);
  /** What it was answered with: acknowledgements. Owned. */
  answer: Buffer = Buffer.alloc(0);
  #bytes: Buffer = Buffer.alloc(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Keeps a copy of bytes[start..end), whose deliveries are in `sent` already. */
  keep(bytes: Buffer, start: number, end: number): void {
    const length = end - start;
    if (this.#bytes.length < length) this.#bytes = Buffer.allocUnsafeSlow(length * 2);
    bytes.copy(this.#bytes, 0, start, end);
    this.#length = length;
  }

  /** True when bytes[start..end) begins with this chunk. */
  isPrefixOf(bytes: Buffer, start: number, end: number): boolean {
    const length = this.#length;
    if (length === 0 || end - start < length) return false;
    return bytes.compare(this.#bytes, 0, length, start, start + length) === 0;
  }
}

export class KnownChunks {
  readonly #places: KnownChunk[] = Array.from({ length: PLACES }, () => new KnownChunk());
  #recorded: KnownChunk | null = null;

  /** The chunk that a subscriber which expects `next` should be reading; null = none is known. */
  find(next: number): KnownChunk | null {
    const known = this.#places[next % PLACES]!;
    return known.first === next ? known : null;
  }

  /** From here on `addDelivery` notes what is judged. */
  startRecording(next: number): void {
    const place = this.#places[next % PLACES]!;
    place.first = -1;
    place.deliveries = 0;
    this.#recorded = place;
  }

  addDelivery(sentWord: number): void {
    const place = this.#recorded;
    if (place === null) return;
    if (place.deliveries === MAX_DELIVERIES) this.#recorded = null;
    else place.sent[place.deliveries++] = sentWord;
  }

  /** Something that is not the same for all subscribers: the chunk cannot be kept. */
  giveUp(): void {
    this.#recorded = null;
  }

  /**
   * Keeps bytes[start..end), in which everything was in order: `first` .. `next` - 1, answered with
   * `answer` (copied).
   */
  finishRecording(
    bytes: Buffer,
    { start, end }: { start: number; end: number },
    { first, next }: { first: number; next: number },
    answer: Uint8Array,
  ): void {
    const place = this.#recorded;
    this.#recorded = null;
    if (place === null || place.deliveries !== next - first) return;
    if (end === start || end - start > MAX_CHUNK_BYTES) return;
    place.keep(bytes, start, end);
    place.answer = Buffer.from(answer);
    place.first = first;
  }
}
