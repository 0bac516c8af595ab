/**
 * How a user name leads to a tenant. In all three files, `TENANT/USER` is a user of that tenant and
 * `USER` one of the default tenant; a client logs in with the name exactly as the file has it. A
 * client cannot choose a tenant: a name that the file does not hold belongs to nobody.
 */

export interface TenantUser {
  readonly tenantId: string;
  /** Unique within the tenant; never empty. */
  readonly userId: string;
}

/**
 * Letters, digits, `_`, `-` and `.`, not starting with a dot: safe in keys, file names, labels and
 * topics.
 */
const TENANT_ID = /^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}$/;

/** Null when the part before the first slash is no tenant id, or the user part is empty. */
export function splitTenantUser(name: string, defaultTenant: string): TenantUser | null {
  const slash = name.indexOf("/");
  const tenantId = slash < 0 ? defaultTenant : name.slice(0, slash);
  const userId = name.slice(slash + 1);
  if (userId === "" || (slash >= 0 && !TENANT_ID.test(tenantId))) return null;
  return { tenantId, userId };
}

/** One text per (tenant, user): unambiguous, because a tenant id holds no slash. */
export function tenantUserKey(tenantId: string, userId: string): string {
  return `${tenantId}/${userId}`;
}
