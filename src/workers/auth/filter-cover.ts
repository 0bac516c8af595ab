/**
 * Two questions between topic filters that access rules need. Both take a topic name in place of
 * the second filter as well: a name is a filter that matches only itself. Filters must be valid and
 * without share prefix.
 *
 *   covers     every topic that `requested` matches is matched by `rule` too     (an allow rule grants it)
 *   overlaps   some topic is matched by both                                     (a deny rule touches it)
 *
 * Wildcards at the first level match no topic that starts with `$` [MQTT-4.7.2-1], so `#` neither
 * covers nor overlaps `$SYS/…`: what lies there is only reached by a rule that says so. Walks both
 * strings, allocates nothing.
 */

const PLUS = 0x2b;
const HASH = 0x23;
const DOLLAR = 0x24;

/** True when `rule` matches every topic that `requested` matches. */
export function filterCovers(rule: string, requested: string): boolean {
  if (isWild(rule, 0) && requested.charCodeAt(0) === DOLLAR) return false;
  let at = 0;
  let from = 0;
  for (;;) {
    const ruleEnds = at > rule.length;
    const requestedEnds = from > requested.length;
    if (!ruleEnds && isLevel(rule, at, HASH)) return true; // `a/#` matches `a` as well (MQTT5 §4.7.1.2).
    if (ruleEnds || requestedEnds) return ruleEnds && requestedEnds;
    if (isLevel(requested, from, HASH)) {
      // Elsewhere `#` also stands for "no further level". At the start it does not, since every
      // topic has a level, so there it means the same as `+/#`.
      return from === 0 && rule === "+/#";
    }
    if (!isLevel(rule, at, PLUS) && !isSameLevel(rule, at, requested, from)) return false;
    at = nextLevel(rule, at);
    from = nextLevel(requested, from);
  }
}

/** True when at least one topic is matched by both filters. */
export function filtersOverlap(left: string, right: string): boolean {
  if (isWild(left, 0) && right.charCodeAt(0) === DOLLAR) return false;
  if (isWild(right, 0) && left.charCodeAt(0) === DOLLAR) return false;
  let at = 0;
  let from = 0;
  for (;;) {
    const leftEnds = at > left.length;
    const rightEnds = from > right.length;
    if (!leftEnds && isLevel(left, at, HASH)) return true;
    if (!rightEnds && isLevel(right, from, HASH)) return true;
    if (leftEnds || rightEnds) return leftEnds && rightEnds;
    const isWildHere = isLevel(left, at, PLUS) || isLevel(right, from, PLUS);
    if (!isWildHere && !isSameLevel(left, at, right, from)) return false;
    at = nextLevel(left, at);
    from = nextLevel(right, from);
  }
}

/** Start of the level after the one at `from`; beyond the length when there is none. */
function nextLevel(filter: string, from: number): number {
  const slash = filter.indexOf("/", from);
  return slash < 0 ? filter.length + 1 : slash + 1;
}

/** In a valid filter a wildcard fills its level, so its first character decides. */
function isLevel(filter: string, from: number, wildcard: number): boolean {
  return filter.charCodeAt(from) === wildcard;
}

function isWild(filter: string, from: number): boolean {
  return isLevel(filter, from, PLUS) || isLevel(filter, from, HASH);
}

function isSameLevel(left: string, at: number, right: string, from: number): boolean {
  const size = nextLevel(left, at) - at;
  if (nextLevel(right, from) - from !== size) return false;
  for (let index = 0; index < size - 1; index++) {
    if (left.charCodeAt(at + index) !== right.charCodeAt(from + index)) return false;
  }
  return true;
}
