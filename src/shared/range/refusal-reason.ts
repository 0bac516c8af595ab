/**
 * Why a batch of commands was refused. All but LOST mean: nothing of it was done, and nothing will
 * be. The numbers travel between threads of one process only.
 */

export const RefusalReason = {
  /** Too much is proposed and not applied yet. */
  BUSY: 1,
  /** No replica leads the range now, or none is open here. */
  UNAVAILABLE: 2,
  /** The range is set aside, because its stored data is damaged. */
  DAMAGED: 3,
  /** One command is larger than a log entry may be. */
  TOO_LARGE: 4,
  /** The range's worker died: whether it was done is not known. */
  LOST: 5,
} as const;
export type RefusalReason = (typeof RefusalReason)[keyof typeof RefusalReason];
