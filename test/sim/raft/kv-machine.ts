/**
 * The replicated state machine of the simulation: registers, and per session the newest command
 * with its result, so that repetition is harmless. All state is one array of words, which makes
 * images copies and comparison a loop.
 *
 *   | hash | keys ... | newest sequence per session ... | its result per session ... |
 *
 * The hash chains over every effect since the beginning: two machines with equal hashes have gone
 * the same way, not only arrived at the same values.
 */

import { ABSENT } from "../lin/register.ts";
import { decodeCommand, type KvCommand } from "./kv-command.ts";

export const KEY_COUNT = 8;
export const SESSION_COUNT = 16;

const HASH_AT = 0;
const KEYS_AT = 1;
const SEQUENCES_AT = KEYS_AT + KEY_COUNT;
const RESULTS_AT = SEQUENCES_AT + SESSION_COUNT;
const WORDS = RESULTS_AT + SESSION_COUNT;

/** Results of a command. */
export const REPLACED = 1;
export const KEPT = 0;

export class KvMachine {
  readonly #words = new Int32Array(WORDS).fill(ABSENT, KEYS_AT, SEQUENCES_AT);
  /** What the newest command was, for observers; null when it carried none. */
  lastCommand: KvCommand | null = null;
  /** Whether it took effect now, rather than before. */
  wasEffective = false;

  get hash(): number {
    return this.#words[HASH_AT] as number;
  }

  read(key: number): number {
    return this.#words[KEYS_AT + key] as number;
  }

  /** The result of the session's newest command. */
  resultOf(session: number): number {
    return this.#words[RESULTS_AT + session] as number;
  }

  newestSequence(session: number): number {
    return this.#words[SEQUENCES_AT + session] as number;
  }

  /** Takes an entry's bytes; an empty entry changes nothing. */
  apply(bytes: Uint8Array): void {
    this.lastCommand = bytes.length === 0 ? null : decodeCommand(bytes);
    this.wasEffective = false;
    const command = this.lastCommand;
    if (command === null || command.sequence <= this.newestSequence(command.session)) return;
    this.wasEffective = true;
    const replaces = command.expected === null || command.expected === this.read(command.key);
    if (replaces) this.#words[KEYS_AT + command.key] = command.value;
    this.#words[SEQUENCES_AT + command.session] = command.sequence;
    this.#words[RESULTS_AT + command.session] = replaces ? REPLACED : KEPT;
    this.#chain(command.session);
    this.#chain(command.sequence);
    this.#chain(this.read(command.key));
  }

  image(): Uint8Array {
    return new Uint8Array(this.#words.slice().buffer);
  }

  restore(image: Uint8Array): void {
    this.#words.set(new Int32Array(image.slice().buffer));
  }

  #chain(word: number): void {
    const hash = Math.imul(this.hash ^ word, 0x85ebca6b);
    this.#words[HASH_AT] = hash ^ (hash >>> 15);
  }
}
