/**
 * Stored sessions as members of shared groups: which groups a session is in, and whether it has a
 * connection. The two come from different workers, the routes from that of their range, presence
 * from that of the session; so each is remembered by itself, in whatever order they arrive.
 * Thread: worker. Scope: one per worker, owned by RouteTable.
 */

import type { ShareGroup } from "./share-group.ts";

const NO_GROUPS: readonly ShareGroup[] = Object.freeze([]);

export class StoredMembers {
  readonly #groups = new Map<string, Set<ShareGroup>>();
  /** Sessions with a connection, and the worker that said so. */
  readonly #online = new Map<string, number>();

  isOnline(tenantId: string, clientId: string): boolean {
    return this.#online.has(sessionKey(tenantId, clientId));
  }

  groupsOf(tenantId: string, clientId: string): Iterable<ShareGroup> {
    return this.#groups.get(sessionKey(tenantId, clientId)) ?? NO_GROUPS;
  }

  isMember(tenantId: string, clientId: string): boolean {
    return this.#groups.has(sessionKey(tenantId, clientId));
  }

  add(tenantId: string, clientId: string, group: ShareGroup): void {
    const session = sessionKey(tenantId, clientId);
    const groups = this.#groups.get(session);
    if (groups === undefined) this.#groups.set(session, new Set([group]));
    else groups.add(group);
  }

  remove(tenantId: string, clientId: string, group: ShareGroup): void {
    const session = sessionKey(tenantId, clientId);
    const groups = this.#groups.get(session);
    groups?.delete(group);
    if (groups?.size === 0) this.#groups.delete(session);
  }

  /** `thread`: the session's worker, which says so. */
  setOnline(tenantId: string, clientId: string, thread: number, isOnline: boolean): void {
    const session = sessionKey(tenantId, clientId);
    if (isOnline) this.#online.set(session, thread);
    else if (this.#online.get(session) === thread) this.#online.delete(session);
    this.#show(session, clientId);
  }

  /** A worker is gone with the connections that it knew of. */
  forgetWorker(thread: number): void {
    for (const [session, source] of this.#online) {
      if (source !== thread) continue;
      this.#online.delete(session);
      this.#show(session, session.slice(session.indexOf("\0") + 1));
    }
  }

  #show(session: string, clientId: string): void {
    const isOnline = this.#online.has(session);
    for (const group of this.#groups.get(session) ?? NO_GROUPS) {
      group.setOnline(clientId, isOnline);
    }
  }
}

/** U+0000 occurs in no tenant and no client identifier [MQTT-1.5.4-2]. */
export function sessionKey(tenantId: string, clientId: string): string {
  return `${tenantId}\0${clientId}`;
}
