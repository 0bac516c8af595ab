/** Why a change of a range that somebody asked for was not made. */

/** As in the answers of the admin server; http-status by code stands in admin/range-routes.ts. */
export type RangeChangeCode =
  | "not_found"
  | "damaged"
  | "not_damaged"
  | "unclear"
  | "bad_key"
  | "indivisible"
  | "no_neighbour"
  | "other_store"
  | "conflict"
  | "busy"
  | "timeout";

export class RangeChangeError extends Error {
  override readonly name = "RangeChangeError";
  readonly code: RangeChangeCode;

  constructor(code: RangeChangeCode, message: string) {
    super(message);
    this.code = code;
  }
}
