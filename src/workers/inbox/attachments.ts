/**
 * The sessions of this worker that are attached to an inbox, by session and by token (what commands
 * and pushes call them).
 * Thread: worker. Scope: one per InboxClient.
 */

import { nextRequest } from "../request-number.ts";
import type { InboxSession } from "./inbox-api.ts";

export class Attachment {
  readonly session: InboxSession;
  readonly bucket: number;
  /** Thread of the inbox. */
  readonly owner: number;
  readonly token: number;
  /** Its attach has been proposed: the inbox may know of it. */
  isProposed = false;
  /** QoS 0 bytes taken that the owner has not been told of. */
  takenBytes = 0;

  constructor(session: InboxSession, bucket: number, owner: number, token: number) {
    this.session = session;
    this.bucket = bucket;
    this.owner = owner;
    this.token = token;
  }
}

export class Attachments {
  readonly #bySession = new Map<InboxSession, Attachment>();
  readonly #byToken = new Map<number, Attachment>();
  #lastToken = 0;

  get size(): number {
    return this.#byToken.size;
  }

  add(session: InboxSession, bucket: number, owner: number): Attachment {
    this.remove(session);
    this.#lastToken = nextRequest(this.#lastToken, this.#byToken);
    const attachment = new Attachment(session, bucket, owner, this.#lastToken);
    this.#bySession.set(session, attachment);
    this.#byToken.set(attachment.token, attachment);
    return attachment;
  }

  of(session: InboxSession): Attachment | null {
    return this.#bySession.get(session) ?? null;
  }

  byToken(token: number): Attachment | null {
    return this.#byToken.get(token) ?? null;
  }

  /** The removed attachment, or null. */
  remove(session: InboxSession): Attachment | null {
    const attachment = this.#bySession.get(session);
    if (attachment === undefined) return null;
    this.#bySession.delete(session);
    this.#byToken.delete(attachment.token);
    return attachment;
  }

  /** Removes and returns those of one owner. */
  removeOwner(owner: number): Attachment[] {
    const removed = [...this.#byToken.values()].filter((attachment) => attachment.owner === owner);
    for (const attachment of removed) this.remove(attachment.session);
    return removed;
  }
}
