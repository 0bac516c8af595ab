/**
 * Remembers a session's publish verdicts, because a publisher keeps to few topics: the check of a
 * repeated topic is a comparison of bytes, without a string and without asking anybody.
 * Subscriptions are checked once each and pass through to the chain.
 *
 * Memory grows with need: nothing for a session that never publishes, or when no provider restricts
 * anything; one entry for a single topic; a list of up to MAX_ENTRIES from the second topic on.
 * When it is full, a newcomer's hash says whom it replaces: a client that cycles through more
 * topics than fit then still hits some, where dropping the oldest would always drop the one that is
 * needed next. A reload of the chain voids everything at the next check. Verdicts that came from a
 * failure are not kept, so a provider that is back is asked again. Flow: publish 4/8, authorize.
 * Thread: worker. Scope: one per session.
 */

import { assert } from "../../shared/base/assert.ts";
import type { AuthChain } from "./auth-chain.ts";
import { AuthAction, type ClientIdentity } from "./auth-provider.ts";

/**
 * A device that cycles through a dozen topics always hits; 16 entries are about 3 KiB. A power of
 * two.
 */
const MAX_ENTRIES = 16;
/**
 * Longer topics are asked about each time, so that a session cannot pin more than MAX_ENTRIES ×
 * this.
 */
const MAX_CACHED_TOPIC_BYTES = 256;
/** Bits 0 and 1 of the flags are the QoS. */
const RETAIN_FLAG = 4;

class CachedVerdict {
  /** Owned copy of the topic. */
  readonly topic: Uint8Array;
  /** Of topic and flags. */
  readonly hash: number;
  /** QoS and RETAIN, which are part of the question. */
  readonly flags: number;
  readonly isAllowed: boolean;

  constructor(topic: Uint8Array, hash: number, flags: number, isAllowed: boolean) {
    this.topic = topic;
    this.hash = hash;
    this.flags = flags;
    this.isAllowed = isAllowed;
  }
}

export class AuthorizationCache {
  readonly #chain: AuthChain;
  readonly #identity: ClientIdentity;
  #generation = 0;
  /** The verdict used last; answers for a publisher with one topic, before any hashing. */
  #last: CachedVerdict | null = null;
  /** All verdicts, the last one included; null until there is a second. */
  #entries: CachedVerdict[] | null = null;

  constructor(chain: AuthChain, identity: ClientIdentity) {
    this.#chain = chain;
    this.#identity = identity;
  }

  /** Any question but a publish; `topic` as for AuthProvider.authorize. */
  check(
    action: AuthAction,
    topic: string,
    qos: number,
    retain: boolean,
  ): boolean | Promise<boolean> {
    return this.#chain.authorize(this.#identity, action, topic, qos, retain);
  }

  /**
   * Whether the client may publish to the topic name in bytes[offset, offset + length). `flags`
   * from `publishFlags`. The bytes are borrowed. Allocates nothing for a remembered topic; a
   * promise only if a provider needs time.
   */
  checkPublish(
    bytes: Uint8Array,
    offset: number,
    length: number,
    flags: number,
  ): boolean | Promise<boolean> {
    if (this.#chain.allowsEverything) return true;
    if (this.#generation !== this.#chain.generation) this.#clear();
    const last = this.#last;
    if (last !== null && answers(last, bytes, offset, length, flags)) return last.isAllowed;
    return this.#checkOther(bytes, offset, length, flags);
  }

  #checkOther(
    bytes: Uint8Array,
    offset: number,
    length: number,
    flags: number,
  ): boolean | Promise<boolean> {
    const hash = topicHash(bytes, offset, length, flags);
    const entries = this.#entries;
    for (let index = 0; entries !== null && index < entries.length; index++) {
      const entry = entries[index];
      if (entry === undefined || entry.hash !== hash) continue;
      if (!answers(entry, bytes, offset, length, flags)) continue;
      this.#last = entry;
      return entry.isAllowed;
    }
    return this.#ask(bytes, offset, length, hash, flags);
  }

  #ask(
    bytes: Uint8Array,
    offset: number,
    length: number,
    hash: number,
    flags: number,
  ): boolean | Promise<boolean> {
    // Not slice(): a socket's chunk is a Buffer, whose slice() is a view of the borrowed memory.
    const topic = new Uint8Array(bytes.subarray(offset, offset + length));
    const { faultCount, generation } = this.#chain;
    const name = Buffer.from(topic.buffer, topic.byteOffset, topic.length).toString("utf8");
    const verdict = this.#chain.authorize(
      this.#identity,
      AuthAction.PUBLISH,
      name,
      flags & 3,
      (flags & RETAIN_FLAG) !== 0,
    );
    const keep = (isAllowed: boolean): boolean => {
      const isSound =
        faultCount === this.#chain.faultCount && generation === this.#chain.generation;
      if (isSound) this.#remember(new CachedVerdict(topic, hash, flags, isAllowed));
      return isAllowed;
    };
    return typeof verdict === "boolean" ? keep(verdict) : verdict.then(keep);
  }

  #remember(verdict: CachedVerdict): void {
    if (verdict.topic.length > MAX_CACHED_TOPIC_BYTES) return;
    const last = this.#last;
    this.#last = verdict;
    if (last === null) return;
    this.#entries ??= [last];
    if (this.#entries.length < MAX_ENTRIES) this.#entries.push(verdict);
    else this.#entries[verdict.hash & (MAX_ENTRIES - 1)] = verdict;
  }

  #clear(): void {
    this.#generation = this.#chain.generation;
    this.#last = null;
    this.#entries = null;
  }
}

/** QoS (0..2) and RETAIN of a publish as one number. */
export function publishFlags(qos: number, retain: boolean): number {
  assert(qos >= 0 && qos <= 2, "QoS is 0, 1 or 2");
  return retain ? qos | RETAIN_FLAG : qos;
}

function answers(
  verdict: CachedVerdict,
  bytes: Uint8Array,
  offset: number,
  length: number,
  flags: number,
): boolean {
  const { topic } = verdict;
  if (verdict.flags !== flags || topic.length !== length) return false;
  // From the end: topics of one publisher differ there, and begin alike.
  for (let index = length - 1; index >= 0; index--) {
    if (topic[index] !== bytes[offset + index]) return false;
  }
  return true;
}

/** FNV-1a over topic and flags, its upper half folded into the lower bits that choose an entry. */
function topicHash(bytes: Uint8Array, offset: number, length: number, flags: number): number {
  let hash = 0x811c9dc5 ^ flags;
  for (let index = 0; index < length; index++) {
    hash = Math.imul(hash ^ (bytes[offset + index] ?? 0), 0x01000193);
  }
  return hash ^ (hash >>> 16);
}
