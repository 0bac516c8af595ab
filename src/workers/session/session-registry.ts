/**
 * The sessions of this worker: by (tenant, client identifier) once their claim is granted, and all
 * connections for shutdown and reload. Thread: worker. Scope: one per worker.
 */

import type { Session } from "./session.ts";

export class SessionRegistry {
  readonly #connections = new Set<Session>();
  readonly #byTenant = new Map<string, Map<string, Session>>();

  get connectionCount(): number {
    return this.#connections.size;
  }

  opened(session: Session): void {
    this.#connections.add(session);
  }

  closed(session: Session): void {
    this.#connections.delete(session);
  }

  /** The session's claim is granted: a kick finds it from now on. */
  claimed(session: Session): void {
    let sessions = this.#byTenant.get(session.tenantId);
    if (sessions === undefined) {
      sessions = new Map();
      this.#byTenant.set(session.tenantId, sessions);
    }
    sessions.set(session.clientId, session);
  }

  released(session: Session): void {
    const sessions = this.#byTenant.get(session.tenantId);
    if (sessions?.get(session.clientId) !== session) return;
    sessions.delete(session.clientId);
    if (sessions.size === 0) this.#byTenant.delete(session.tenantId);
  }

  find(tenantId: string, clientId: string): Session | null {
    return this.#byTenant.get(tenantId)?.get(clientId) ?? null;
  }

  /** A copy: whoever walks it may close sessions. */
  all(): Session[] {
    return [...this.#connections];
  }
}
