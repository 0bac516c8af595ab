/**
 * Reads mosquitto's access control file:
 *
 *   topic [read|write|readwrite|deny] FILTER     before any `user`: rules for anonymous clients only
 *   user NAME                                    the `topic` lines that follow are this user's; may come repeatedly
 *   pattern [read|write|readwrite|deny] FILTER   rules for everybody, wherever they stand; %u and %c are replaced by
 *                                                the user and the client identifier
 *
 * Without an access word a line grants both directions; a FILTER with blanks needs the word. `#`
 * starts a comment only as the first character of a line. NAME is written as in the password file:
 * `TENANT/USER` for users of other tenants. One bad line refuses the whole file.
 */

import { checkTopicFilter } from "../../shared/topic/topic-filter.ts";
import { TopicFault } from "../../shared/topic/topic-name.ts";
import { AuthFileError, type FileLine, significantLines } from "./auth-file.ts";
import { splitTenantUser, tenantUserKey } from "./tenant-user.ts";

/** Bits of what a rule grants. */
export const Access = { READ: 1, WRITE: 2 } as const;

export interface AclRule {
  /** Bits of Access; 0 = deny both directions. */
  readonly access: number;
  /** Topic filter; of a pattern, still with its placeholders. */
  readonly filter: string;
  /** What every topic or filter that this rule covers starts with. */
  readonly prefix: string;
  /**
   * The filter cut before and after each placeholder, which stand at odd places; one part when
   * there are none.
   */
  readonly parts: readonly string[];
  /** Placeholders to replace; both false in `topic` lines, where %u is two ordinary characters. */
  readonly usesUser: boolean;
  readonly usesClient: boolean;
}

export interface AclTable {
  readonly anonymous: readonly AclRule[];
  /** By tenantUserKey. */
  readonly users: ReadonlyMap<string, readonly AclRule[]>;
  readonly patterns: readonly AclRule[];
}

const ACCESS_WORDS: ReadonlyMap<string, number> = new Map([
  ["read", Access.READ],
  ["write", Access.WRITE],
  ["readwrite", Access.READ | Access.WRITE],
  ["deny", 0],
]);

const encoder = new TextEncoder();

/** Throws AuthFileError at the first line that cannot be used. */
export function parseAclFile(text: string, fileName: string, defaultTenant: string): AclTable {
  const anonymous: AclRule[] = [];
  const users = new Map<string, AclRule[]>();
  const patterns: AclRule[] = [];
  let section = anonymous;
  for (const line of significantLines(text)) {
    const [keyword = ""] = line.text.split(/\s/, 1);
    const rest = line.text.slice(keyword.length).trim();
    if (keyword === "user") {
      const key = parseUser(rest, line, fileName, defaultTenant);
      section = users.get(key) ?? [];
      users.set(key, section);
    } else if (keyword === "topic") {
      section.push(parseRule(rest, line, fileName, false));
    } else if (keyword === "pattern") {
      patterns.push(parseRule(rest, line, fileName, true));
    } else {
      const problem = `"${keyword}" is none of user, topic, pattern`;
      throw new AuthFileError(fileName, line.number, problem, "correct the first word of the line");
    }
  }
  return { anonymous, users, patterns };
}

function parseUser(name: string, line: FileLine, fileName: string, defaultTenant: string): string {
  const user = splitTenantUser(name, defaultTenant);
  if (user !== null) return tenantUserKey(user.tenantId, user.userId);
  const problem = name === "" ? "`user` without a name" : `"${name}" is not TENANT/USER`;
  throw new AuthFileError(fileName, line.number, problem, "write the name as in the password file");
}

function parseRule(rest: string, line: FileLine, fileName: string, isPattern: boolean): AclRule {
  const [first = ""] = rest.split(/\s/, 1);
  const remainder = rest.slice(first.length).trim();
  const access = ACCESS_WORDS.get(first);
  if (remainder !== "" && access === undefined) {
    const problem = `"${first}" is none of read, write, readwrite, deny`;
    const remedy = "put one of them before the filter; a filter with blanks needs it";
    throw new AuthFileError(fileName, line.number, problem, remedy);
  }
  // A single word is always the filter, also when it spells an access word, as in mosquitto.
  const filter = remainder === "" ? first : remainder;
  checkFilter(filter, line, fileName);
  return {
    access: remainder === "" ? Access.READ | Access.WRITE : (access ?? 0),
    filter,
    prefix: literalPrefix(filter),
    parts: isPattern ? filter.split(/(%[uc])/) : [filter],
    usesUser: isPattern && filter.includes("%u"),
    usesClient: isPattern && filter.includes("%c"),
  };
}

/**
 * Up to the first wildcard or placeholder; without a slash at its end, since `a/#` covers `a` as
 * well.
 */
function literalPrefix(filter: string): string {
  const [literal = ""] = filter.split(/[+#%]/, 1);
  return literal.endsWith("/") ? literal.slice(0, -1) : literal;
}

function checkFilter(filter: string, line: FileLine, fileName: string): void {
  if (/^\$o?share\//.test(filter)) {
    const remedy = "name the filter without it; shared subscriptions are checked by their filter";
    throw new AuthFileError(fileName, line.number, "the filter has a share prefix", remedy);
  }
  const bytes = encoder.encode(filter);
  if (checkTopicFilter(bytes, 0, bytes.length) === TopicFault.NONE) return;
  const problem = filter === "" ? "the filter is missing" : `"${filter}" is no topic filter`;
  const remedy = "use + and # as whole levels, # last";
  throw new AuthFileError(fileName, line.number, problem, remedy);
}
