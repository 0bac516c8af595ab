/**
 * Memory for many small records of equal size: slots of a few 32-bit words, in pages. Growing adds
 * a page and moves nothing, so a slot keeps its id, memory never doubles, and no insertion pays for
 * copying a million others.
 *
 *   id = page index * SLOTS_PER_PAGE + slot in the page; id 0 (NO_SLOT) is never given out
 *   word 0 (LINK) of a live slot belongs to its owner; of a free one it holds the next free slot of that page
 *
 * Slots are taken from the lowest page that has one, so that after a peak the upper pages empty and
 * are dropped. Thread: worker.
 */

import { assert } from "../base/assert.ts";

/** "No slot", in every word that holds a slot id. Zero, because fresh memory is zero. */
export const NO_SLOT = 0;
/** Index of the word that links slots. */
export const LINK = 0;

export const PAGE_SHIFT = 14;
/** 16,384: pages of a few hundred KiB; 64 of them hold the first million slots. */
export const SLOTS_PER_PAGE = 1 << PAGE_SHIFT;
export const PAGE_MASK = SLOTS_PER_PAGE - 1;

/**
 * 2^30 slots: ids stay small integers for the engine, and 24 GiB of them do not fit into a worker
 * anyway.
 */
const MAX_PAGES = 1 << 16;

const NO_PAGE = new Int32Array(0);

/** Stands for "no page" where a page index is expected. */
const NO_INDEX = -1;

export class SlotPages {
  /**
   * Page by index; empty where dropped. Address of a word: pages[id >>> 14][(id & 0x3fff) *
   * slotWords + word].
   */
  readonly pages: Int32Array[] = [];
  readonly slotWords: number;
  /**
   * Per page: head of its free slots, slots ever used (the rest is untouched memory), live slots.
   */
  readonly #freeHead: number[] = [];
  readonly #used: number[] = [];
  readonly #live: number[] = [];
  /** No page below has a free slot. */
  #firstWithRoom = 0;
  /**
   * The one page kept without a live slot, so that a count swinging around a page's edge allocates
   * nothing.
   */
  #idlePage = NO_INDEX;
  #allocatedPages = 0;
  #liveSlots = 0;

  constructor(slotWords: number) {
    this.slotWords = slotWords;
  }

  get liveSlots(): number {
    return this.#liveSlots;
  }

  /** Every id given out so far is below. Grows, never shrinks. */
  get capacity(): number {
    return this.pages.length * SLOTS_PER_PAGE;
  }

  /** Bytes of all pages. The operating system backs them only as they are touched. */
  get memoryBytes(): number {
    return this.#allocatedPages * this.#pageWords * Int32Array.BYTES_PER_ELEMENT;
  }

  get #pageWords(): number {
    return SLOTS_PER_PAGE * this.slotWords;
  }

  /**
   * A slot with all words zero. O(1), plus one look at each full page when the page in use runs
   * full.
   */
  acquire(): number {
    const index = this.#pageWithRoom();
    if (this.pages[index] === NO_PAGE) this.#allocate(index);
    else if (index === this.#idlePage) this.#idlePage = NO_INDEX;
    this.#live[index]!++;
    this.#liveSlots++;
    const free = this.#freeHead[index]!;
    if (free === NO_SLOT) return index * SLOTS_PER_PAGE + this.#used[index]!++;
    const page = this.pages[index]!;
    const at = (free & PAGE_MASK) * this.slotWords;
    this.#freeHead[index] = page[at + LINK]!;
    page.fill(0, at, at + this.slotWords);
    return free;
  }

  /** Gives a live slot back. Its words must not be used afterwards: its page may be gone. */
  release(id: number): void {
    const index = id >>> PAGE_SHIFT;
    assert(id !== NO_SLOT && this.#live[index]! > 0, "a released slot is live");
    this.pages[index]![(id & PAGE_MASK) * this.slotWords + LINK] = this.#freeHead[index]!;
    this.#freeHead[index] = id;
    this.#live[index]!--;
    this.#liveSlots--;
    if (index < this.#firstWithRoom) this.#firstWithRoom = index;
    if (this.#live[index] === 0) this.#retire(index);
  }

  #pageWithRoom(): number {
    let index = this.#firstWithRoom;
    while (index < this.pages.length && this.#isFull(index)) index++;
    this.#firstWithRoom = index;
    if (index === this.pages.length) {
      assert(index < MAX_PAGES, "slot ids stay below 2^30");
      this.pages.push(NO_PAGE);
      this.#freeHead.push(NO_SLOT);
      this.#used.push(0);
      this.#live.push(0);
    }
    return index;
  }

  #isFull(index: number): boolean {
    return this.#freeHead[index] === NO_SLOT && this.#used[index] === SLOTS_PER_PAGE;
  }

  #allocate(index: number): void {
    this.pages[index] = new Int32Array(this.#pageWords);
    // Slot 0 of page 0 is NO_SLOT.
    this.#used[index] = index === 0 ? 1 : 0;
    this.#allocatedPages++;
  }

  /**
   * Page `index` has no live slot left: it becomes the idle page, or the upper one of the two is
   * dropped.
   */
  #retire(index: number): void {
    const dropped = Math.max(this.#idlePage, index);
    this.#idlePage = this.#idlePage === NO_INDEX ? index : Math.min(this.#idlePage, index);
    if (dropped === this.#idlePage) return;
    this.pages[dropped] = NO_PAGE;
    this.#freeHead[dropped] = NO_SLOT;
    this.#used[dropped] = 0;
    this.#allocatedPages--;
  }
}
