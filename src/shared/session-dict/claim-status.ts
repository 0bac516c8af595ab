/**
 * Answers to a claim of a session; see workers/session-dict/session-dict-api.ts for what each side
 * does with them.
 */

export const ClaimStatus = {
  GRANTED: 0,
  /** A newer claim arrived while this one waited: close the connection with 0x8E. */
  SUPERSEDED: 1,
  /** The live session belongs to another user. */
  WRONG_USER: 2,
  /** The owner's worker went away; try again or close with 0x88. */
  UNAVAILABLE: 3,
} as const;
export type ClaimStatus = (typeof ClaimStatus)[keyof typeof ClaimStatus];
