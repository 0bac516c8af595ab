/**
 * Every distinct topic level once: bytes to symbol, a small number that nodes carry instead of the
 * text. A million topics under `site/` hold those four bytes once, and comparing levels is
 * comparing numbers.
 *
 * Symbols are counted by their users and disappear with the last one. Text lives in the slot itself
 * and, where longer, in further slots of the same pages: every piece has one size, so no order of
 * arrivals and removals fragments memory.
 *
 *   slot          LINK | HASH | REFERENCES | LENGTH | TEXT | 3 words of bytes
 *   further slot  LINK (next piece)        | 7 words of bytes
 *
 * Thread: worker. Allocates nothing except pages.
 */

import { assert } from "../base/assert.ts";
import { HashChains } from "./hash-chains.ts";
import { type HashKey, hashLevel, wordAt } from "./level-hash.ts";
import { LINK, NO_SLOT, PAGE_MASK, PAGE_SHIFT, SlotPages } from "./slot-pages.ts";

/** "No such symbol"; also the symbol of a tenant's root, which has no text. */
export const NO_SYMBOL = NO_SLOT;

const SLOT_WORDS = 8;
const HASH = 1;
const REFERENCES = 2;
/** Bytes of the level. */
const LENGTH = 3;
/** First further slot, or NO_SLOT when the text ends in this one. */
const TEXT = 4;
/**
 * First word of bytes in the symbol's own slot: 12 bytes, enough for most levels and for any number
 * below 10^12.
 */
const OWN_BYTES = 5;
const FURTHER_BYTES = 1;

export class SymbolTable {
  readonly #slots = new SlotPages(SLOT_WORDS);
  readonly #chains: HashChains;
  readonly #key: HashKey;

  constructor(key: HashKey) {
    this.#key = key;
    this.#chains = new HashChains(this.#slots, (symbol) => this.#word(symbol, HASH));
  }

  get count(): number {
    return this.#chains.count;
  }

  /** Symbols and the further slots of long ones. */
  get slotCount(): number {
    return this.#slots.liveSlots;
  }

  get memoryBytes(): number {
    return this.#slots.memoryBytes + this.#chains.memoryBytes;
  }

  /** Symbol of the level bytes[offset, offset + length), or NO_SYMBOL when nobody uses it. */
  find(bytes: Uint8Array, offset: number, length: number): number {
    const hash = hashLevel(bytes, offset, length, this.#key.word0, this.#key.word1);
    return this.#findHashed(hash, bytes, offset, length);
  }

  /**
   * Symbol of the level, made when missing; the caller holds one reference more until it calls
   * `release`.
   */
  acquire(bytes: Uint8Array, offset: number, length: number): number {
    const hash = hashLevel(bytes, offset, length, this.#key.word0, this.#key.word1);
    const found = this.#findHashed(hash, bytes, offset, length);
    if (found !== NO_SYMBOL) {
      this.#setWord(found, REFERENCES, this.#word(found, REFERENCES) + 1);
      return found;
    }
    const symbol = this.#slots.acquire();
    this.#setWord(symbol, HASH, hash);
    this.#setWord(symbol, REFERENCES, 1);
    this.#setWord(symbol, LENGTH, length);
    this.#store(symbol, bytes, offset, offset + length);
    this.#chains.insert(hash, symbol);
    return symbol;
  }

  /** Gives one reference back; with the last one the symbol and its text are gone. */
  release(symbol: number): void {
    const references = this.#word(symbol, REFERENCES) - 1;
    assert(references >= 0, "a released symbol is referenced");
    this.#setWord(symbol, REFERENCES, references);
    if (references > 0) return;
    this.#chains.remove(this.#word(symbol, HASH), symbol);
    let further = this.#word(symbol, TEXT);
    this.#slots.release(symbol);
    while (further !== NO_SLOT) {
      const next = this.#word(further, LINK);
      this.#slots.release(further);
      further = next;
    }
  }

  /** Bytes of the symbol's level. */
  lengthOf(symbol: number): number {
    return this.#word(symbol, LENGTH);
  }

  /** First byte of the level, 0 when it is empty. */
  firstByteOf(symbol: number): number {
    return this.#word(symbol, OWN_BYTES) & 0xff;
  }

  /** Writes the level's bytes to target[at, at + lengthOf(symbol)). */
  copyTo(symbol: number, target: Uint8Array, at: number): void {
    const end = at + this.lengthOf(symbol);
    let slot = symbol;
    let word = OWN_BYTES;
    let next = this.#word(symbol, TEXT);
    for (let to = at; to < end; to += 4, word++) {
      if (word === SLOT_WORDS) {
        slot = next;
        word = FURTHER_BYTES;
        next = this.#word(slot, LINK);
      }
      const four = this.#word(slot, word);
      for (let byte = 0; byte < 4 && to + byte < end; byte++) {
        target[to + byte] = (four >>> (8 * byte)) & 0xff;
      }
    }
  }

  #findHashed(hash: number, bytes: Uint8Array, offset: number, length: number): number {
    const pages = this.#slots.pages;
    let symbol = this.#chains.head(hash);
    while (symbol !== NO_SYMBOL) {
      const page = pages[symbol >>> PAGE_SHIFT]!;
      const base = (symbol & PAGE_MASK) * SLOT_WORDS;
      if (
        page[base + HASH] === hash &&
        page[base + LENGTH] === length &&
        this.#hasText(page, base, bytes, offset, offset + length)
      ) {
        return symbol;
      }
      symbol = page[base + LINK]!;
    }
    return NO_SYMBOL;
  }

  /**
   * Whether the symbol at page[base] has the text bytes[from, end), which has the symbol's length.
   */
  #hasText(page: Int32Array, base: number, bytes: Uint8Array, from: number, end: number): boolean {
    let words = page;
    let at = base + OWN_BYTES;
    let slotEnd = base + SLOT_WORDS;
    let next = page[base + TEXT]!;
    for (let index = from; index < end; index += 4, at++) {
      if (at === slotEnd) {
        words = this.#slots.pages[next >>> PAGE_SHIFT]!;
        at = (next & PAGE_MASK) * SLOT_WORDS;
        next = words[at + LINK]!;
        slotEnd = at + SLOT_WORDS;
        at += FURTHER_BYTES;
      }
      if (words[at] !== wordAt(bytes, index, end)) return false;
    }
    return true;
  }

  #store(symbol: number, bytes: Uint8Array, from: number, end: number): void {
    let slot = symbol;
    let word = OWN_BYTES;
    // Where the next piece's id goes: the symbol's TEXT word, then the LINK word of each further
    // slot.
    let linkWord = TEXT;
    for (let index = from; index < end; index += 4, word++) {
      if (word === SLOT_WORDS) {
        const further = this.#slots.acquire();
        this.#setWord(slot, linkWord, further);
        slot = further;
        word = FURTHER_BYTES;
        linkWord = LINK;
      }
      this.#setWord(slot, word, wordAt(bytes, index, end));
    }
  }

  #word(slot: number, word: number): number {
    return this.#slots.pages[slot >>> PAGE_SHIFT]![(slot & PAGE_MASK) * SLOT_WORDS + word]!;
  }

  #setWord(slot: number, word: number, value: number): void {
    this.#slots.pages[slot >>> PAGE_SHIFT]![(slot & PAGE_MASK) * SLOT_WORDS + word] = value;
  }
}
