/**
 * Shared subscriptions: takes `$share/<group>/<filter>` and `$oshare/<group>/<filter>` apart.
 * `$oshare` is the ordered kind, where one publisher's messages stay with one member; both exist
 * for every protocol version.
 *
 * Flow: subscribe, before the filter itself is checked. Thread: any.
 */

/** `filter` is what remains after the group, to be checked with `checkTopicFilter`. */
export interface ShareFilter {
  readonly group: string;
  readonly ordered: boolean;
  readonly filter: string;
}

/** Returned for a filter that begins like a shared one and is not: compare by identity. */
export const INVALID_SHARE: ShareFilter = Object.freeze({ group: "", ordered: false, filter: "" });

const SHARE_PREFIX = "$share/"; // [MQTT-4.8.2-1]
const ORDERED_SHARE_PREFIX = "$oshare/";

/**
 * Splits a subscription's topic filter. Null: not shared, the whole string is the filter.
 * INVALID_SHARE: no or an empty group, a wildcard in the group, or no filter after it.
 */
export function splitShareFilter(filter: string): ShareFilter | null {
  const ordered = filter.startsWith(ORDERED_SHARE_PREFIX);
  if (!ordered && !filter.startsWith(SHARE_PREFIX)) return null;
  const from = ordered ? ORDERED_SHARE_PREFIX.length : SHARE_PREFIX.length;
  const to = filter.indexOf("/", from);
  if (to <= from) return INVALID_SHARE; // [MQTT-4.8.2-1] at least one character, [MQTT-4.8.2-2] a `/` behind
  const group = filter.slice(from, to);
  if (group.includes("+") || group.includes("#")) return INVALID_SHARE; // [MQTT-4.8.2-2]
  const rest = filter.slice(to + 1);
  return rest === "" ? INVALID_SHARE : { group, ordered, filter: rest };
}
