/**
 * The root node of each tenant. Everything below a root belongs to one tenant, so a match that
 * starts there cannot see another tenant's filters or topics.
 *
 * Thread: worker.
 */

import { assert } from "../base/assert.ts";
import { NO_NODE, type NodeTable } from "./node-table.ts";
import { NO_SYMBOL } from "./symbol-table.ts";

export class TenantRoots {
  readonly #nodes: NodeTable;
  readonly #rootOf = new Map<string, number>();
  readonly #tenantOf = new Map<number, string>();

  constructor(nodes: NodeTable) {
    this.#nodes = nodes;
  }

  get count(): number {
    return this.#rootOf.size;
  }

  /** The tenant's root, or NO_NODE. */
  find(tenantId: string): number {
    return this.#rootOf.get(tenantId) ?? NO_NODE;
  }

  /** The tenant's root, made when missing. */
  acquire(tenantId: string): number {
    const found = this.find(tenantId);
    if (found !== NO_NODE) return found;
    const root = this.#nodes.addUnlisted(NO_NODE, NO_SYMBOL);
    this.#rootOf.set(tenantId, root);
    this.#tenantOf.set(root, tenantId);
    return root;
  }

  tenantOf(root: number): string {
    const tenantId = this.#tenantOf.get(root);
    assert(tenantId !== undefined, "a root belongs to a tenant");
    return tenantId;
  }

  /** Forgets a tenant whose root has nothing below it. */
  remove(root: number): void {
    this.#rootOf.delete(this.tenantOf(root));
    this.#tenantOf.delete(root);
    this.#nodes.removeUnlisted(root);
  }
}
