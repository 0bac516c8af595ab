/**
 * The tables by which a range finds its sessions, filled apart and then put in place of its own at
 * once: a cut or merge fills them in steps, while the range goes on answering from those it has.
 * Scope: one per half of a cut, one per merge.
 */

import type { Inbox } from "./inbox.ts";
import type { RangeState } from "./range-state.ts";
import type { TenantShare } from "./tenant-share.ts";

export class SessionTables {
  readonly #inboxes = new Map<number, Inbox>();
  readonly #byClient = new Map<TenantShare, Map<string, Inbox>>();
  readonly #attachments = new Map<number, Map<number, Inbox>>();

  add(inbox: Inbox): void {
    this.#inboxes.set(inbox.id, inbox);
    if (!inbox.isEnded) {
      const { tenant, clientId } = inbox;
      const clients = this.#byClient.get(tenant);
      if (clients === undefined) this.#byClient.set(tenant, new Map([[clientId, inbox]]));
      else clients.set(clientId, inbox);
    }
    if (!inbox.isAttached) return;
    const attached = this.#attachments.get(inbox.boot);
    if (attached === undefined) this.#attachments.set(inbox.boot, new Map([[inbox.token, inbox]]));
    else attached.set(inbox.token, inbox);
  }

  /** O(tenants). */
  install(state: RangeState): void {
    state.inboxes = this.#inboxes;
    state.attachments = this.#attachments;
    for (const tenant of state.tenants.values()) {
      tenant.inboxes = this.#byClient.get(tenant) ?? new Map();
      state.forgetIfEmpty(tenant);
    }
  }
}
