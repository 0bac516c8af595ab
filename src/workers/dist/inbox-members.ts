/**
 * Shared-group memberships of the persistent sessions that this worker owns, and which of those
 * sessions have a connection. A member's presence is part of its route: every worker picks by it.
 * Thread: worker. Scope: one per worker, owned by DistClient.
 */

import { assert } from "../../shared/base/assert.ts";
import {
  type DeliveryOptions,
  optionsOf,
  type ShareName,
  type StoredRouteName,
} from "./dist-api.ts";
import type { MemberTable } from "./member-table.ts";

/** A route to a member of a shared group. */
export interface SharedRouteName extends StoredRouteName {
  readonly share: ShareName;
}

export interface InboxMember {
  readonly filter: string;
  readonly share: ShareName;
  readonly options: DeliveryOptions;
  readonly slot: number;
  /** Of the session. */
  readonly incarnation: number;
}

export class InboxMembers {
  readonly #members: MemberTable;
  /** By session, then by share and filter. */
  readonly #sessions = new Map<string, Map<string, InboxMember>>();
  readonly #online = new Set<string>();

  constructor(members: MemberTable) {
    this.#members = members;
  }

  isOnline(tenantId: string, clientId: string): boolean {
    return this.#online.has(sessionKey(tenantId, clientId));
  }

  /** The session's memberships, which must be announced anew. */
  setOnline(tenantId: string, clientId: string, isOnline: boolean): Iterable<InboxMember> {
    const session = sessionKey(tenantId, clientId);
    if (isOnline) this.#online.add(session);
    else this.#online.delete(session);
    return this.of(tenantId, clientId);
  }

  /** The session's memberships. */
  of(tenantId: string, clientId: string): Iterable<InboxMember> {
    return this.#sessions.get(sessionKey(tenantId, clientId))?.values() ?? [];
  }

  find({ tenantId, clientId, filter, share }: SharedRouteName): InboxMember {
    const memberships = this.#sessions.get(sessionKey(tenantId, clientId));
    const member = memberships?.get(shareKey(filter, share));
    assert(member !== undefined, "an announced membership exists");
    return member;
  }

  /** Adds a membership or replaces its options; the slot stays. */
  put(route: SharedRouteName, options: DeliveryOptions): void {
    const { tenantId, clientId, filter, share, incarnation } = route;
    const session = sessionKey(tenantId, clientId);
    let memberships = this.#sessions.get(session);
    if (memberships === undefined) {
      memberships = new Map();
      this.#sessions.set(session, memberships);
    }
    const key = shareKey(filter, share);
    const slot = memberships.get(key)?.slot ?? this.#members.join(tenantId, null);
    memberships.set(key, { filter, share, options: optionsOf(options), slot, incarnation });
  }

  /**
   * The membership that ended; null when there was none, or a later life of the session has it. The
   * caller releases its slot.
   */
  remove({ tenantId, clientId, filter, share, incarnation }: SharedRouteName): InboxMember | null {
    const session = sessionKey(tenantId, clientId);
    const memberships = this.#sessions.get(session);
    const member = memberships?.get(shareKey(filter, share));
    if (memberships === undefined || member === undefined) return null;
    if (member.incarnation > incarnation) return null;
    memberships.delete(shareKey(filter, share));
    if (memberships.size === 0) this.#sessions.delete(session);
    this.#members.leave(member.slot);
    return member;
  }
}

/** U+0000 occurs in no tenant, client identifier or filter [MQTT-1.5.4-2]. */
function sessionKey(tenantId: string, clientId: string): string {
  return `${tenantId}\0${clientId}`;
}

function shareKey(filter: string, share: ShareName): string {
  return `${share.ordered ? "o" : "s"}${share.group}\0${filter}`;
}
