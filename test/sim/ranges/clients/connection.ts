/** One connection of one session, from its attach on. */

import type { RangeNode } from "../node/range-node.ts";
import type { WillRecord } from "./will-book.ts";

export interface AttachWish {
  readonly cleanStart: boolean;
  readonly expirySeconds: number;
  readonly receiveMaximum: number;
  readonly will: WillRecord | null;
}

export class Connection {
  readonly token: number;
  readonly node: RangeNode;
  /** Of the node's process. */
  readonly boot: number;
  readonly wish: AttachWish;
  /** The client has not given it up. */
  isOpen = true;
  /** Its range is not served any more by who served it. */
  isBroken = false;
  isAttached = false;
  /** By publisher: of the message pushed last. */
  readonly lastNumbers = new Map<string, number>();
  /** Nothing on its way arrives earlier. */
  arrivalUs = 0;

  constructor(token: number, node: RangeNode, wish: AttachWish) {
    this.token = token;
    this.node = node;
    this.boot = node.boot;
    this.wish = wish;
  }

  /** Who served it serves it no more. */
  breaks(): void {
    this.isBroken = true;
    this.isOpen = false;
  }
}
