/**
 * Authorizes by mosquitto's access control file. Differences to mosquitto are on the safe side:
 *
 * - Deny wins over every allow, wherever the two stand (mosquitto lets a `topic` allow beat a `pattern` deny).
 * - A SUBSCRIBE is decided when it arrives: one allow rule must cover the whole filter, and no deny rule may touch it.
 *   mosquitto grants every SUBSCRIBE and filters each delivery, so a client whose `#` it answered with a part of the
 *   topics is refused here, and has to subscribe to what it may read.
 * - Rules go by the authenticated user, never by the user name that CONNECT claims.
 * - The identity in a pattern must be an ordinary level: one that holds + # / or NUL is granted nothing through a
 *   pattern, and a pattern that denies then denies everything (CVE-2017-7650). A value that starts with `$` cannot turn
 *   a leading placeholder into a rule for `$SYS`.
 *
 * An empty file denies every topic (CVE-2018-12550). Connecting and unsubscribing need no rule.
 * Thread: worker. Scope: one per worker and loaded configuration.
 */

import { Access, type AclRule, type AclTable, parseAclFile } from "./acl-file.ts";
import { readAuthFile } from "./auth-file.ts";
import { NEXT } from "./auth-outcome.ts";
import {
  AuthAction,
  type AuthOutcome,
  type AuthProvider,
  type ClientIdentity,
  type Verdict,
} from "./auth-provider.ts";
import { filterCovers, filtersOverlap } from "./filter-cover.ts";
import { tenantUserKey } from "./tenant-user.ts";

const NO_RULES: readonly AclRule[] = [];

/** Characters that would let an identity reach beyond its level. */
const UNSAFE_LEVEL = /[+#/\0]/;

export class AclFileProvider implements AuthProvider {
  readonly name = "acl_file";
  readonly methods: readonly string[] = [];
  readonly #file: string;
  readonly #defaultTenant: string;
  #table: AclTable;

  /** Throws AuthFileError when the file cannot be used. */
  constructor(file: string, defaultTenant: string) {
    this.#file = file;
    this.#defaultTenant = defaultTenant;
    this.#table = loadTable(file, defaultTenant);
  }

  authenticate(): AuthOutcome {
    return NEXT;
  }

  authenticateExtended(): AuthOutcome {
    return NEXT;
  }

  authorize(identity: ClientIdentity, action: AuthAction, topic: string): Verdict {
    switch (action) {
      case AuthAction.CONNECT:
      case AuthAction.UNSUBSCRIBE:
        return "allow";
      case AuthAction.PUBLISH:
      case AuthAction.WILL:
        return this.#decide(identity, Access.WRITE, topic);
      case AuthAction.SUBSCRIBE:
        return this.#decide(identity, Access.READ, topic);
    }
  }

  async reload(): Promise<void> {
    this.#table = loadTable(this.#file, this.#defaultTenant);
  }

  close(): void {
    // Holds nothing.
  }

  #decide(identity: ClientIdentity, access: number, topic: string): Verdict {
    const { anonymous, users, patterns } = this.#table;
    const rules =
      identity.userId === ""
        ? anonymous
        : (users.get(tenantUserKey(identity.tenantId, identity.userId)) ?? NO_RULES);
    if (isDenied(rules, identity, topic) || isDenied(patterns, identity, topic)) return "deny";
    if (isAllowed(rules, identity, access, topic)) return "allow";
    return isAllowed(patterns, identity, access, topic) ? "allow" : "deny";
  }
}

function loadTable(file: string, defaultTenant: string): AclTable {
  return parseAclFile(readAuthFile(file, "access control file"), file, defaultTenant);
}

function isDenied(rules: readonly AclRule[], identity: ClientIdentity, topic: string): boolean {
  for (const rule of rules) {
    if (rule.access !== 0 || !concerns(rule, identity)) continue;
    // What an unsafe identity would be denied cannot be said, so it is everything.
    if (!isSafe(rule, identity)) return true;
    if (filtersOverlap(substitute(rule, identity), topic)) return true;
  }
  return false;
}

function isAllowed(
  rules: readonly AclRule[],
  identity: ClientIdentity,
  access: number,
  topic: string,
): boolean {
  for (const rule of rules) {
    if ((rule.access & access) === 0) continue;
    // Most rules end here, before a filter is put together for them.
    if (!topic.startsWith(rule.prefix)) continue;
    if (!concerns(rule, identity) || !isSafe(rule, identity)) continue;
    const filter = substitute(rule, identity);
    const becameHidden = filter.startsWith("$") && !rule.filter.startsWith("$");
    if (!becameHidden && filterCovers(filter, topic)) return true;
  }
  return false;
}

/** A pattern with %u says nothing about clients without a user, as in mosquitto. */
function concerns(rule: AclRule, identity: ClientIdentity): boolean {
  return !(rule.usesUser && identity.userId === "");
}

function isSafe(rule: AclRule, identity: ClientIdentity): boolean {
  if (rule.usesUser && UNSAFE_LEVEL.test(identity.userId)) return false;
  return !(rule.usesClient && UNSAFE_LEVEL.test(identity.clientId));
}

/** Parts are never looked at again, so a user called `%c` stays a user called `%c`. */
function substitute(rule: AclRule, identity: ClientIdentity): string {
  const { parts } = rule;
  if (parts.length === 1) return rule.filter;
  let filter = parts[0] ?? "";
  for (let index = 1; index < parts.length; index += 2) {
    filter += parts[index] === "%u" ? identity.userId : identity.clientId;
    filter += parts[index + 1] ?? "";
  }
  return filter;
}
