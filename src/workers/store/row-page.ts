/** A page of rows: as many as its limits allow, and one at least if there is one. */

import type { KeyValue } from "../../shared/range/key-value.ts";

export interface PageLimits {
  readonly maxEntries: number;
  /** Of values, about. */
  readonly maxBytes: number;
}

/** Takes a row; false: no more of them. */
type RowVisitor = (key: Uint8Array, value: Uint8Array) => boolean;

/** `visitRows` walks them; `own` makes of what it visits what may be kept. */
export function rowPage(
  { maxEntries, maxBytes }: PageLimits,
  visitRows: (visit: RowVisitor) => void,
  own: (key: Uint8Array, value: Uint8Array) => KeyValue,
): readonly KeyValue[] {
  const rows: KeyValue[] = [];
  let bytes = 0;
  visitRows((key, value) => {
    bytes += value.length;
    if (bytes > maxBytes && rows.length > 0) return false;
    rows.push(own(key, value));
    return rows.length < maxEntries;
  });
  return rows;
}
