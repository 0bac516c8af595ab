/**
 * The small integers of a session's life, apart from the class so that handlers need not import it.
 */

export const Phase = { AWAIT_CONNECT: 0, OPENING: 1, ACTIVE: 2, CLOSED: 3 } as const;
export type Phase = (typeof Phase)[keyof typeof Phase];

/** Why a session's input waits; bits, so that reasons do not undo each other. */
export const PauseReason = {
  /** An answer of another thread or provider decides what comes next. */
  ANSWER: 1,
  /** A ring queue of this worker is over its mark. */
  CONGESTION: 2,
  /** Publish rate or bandwidth above the tenant's limit. */
  RATE: 4,
  /** The broker shuts down: nothing more is accepted. */
  DRAIN: 8,
  /** Not read yet: others that have not sent their CONNECT either come first. */
  TURN: 16,
} as const;
export type PauseReason = (typeof PauseReason)[keyof typeof PauseReason];

/** How a session came to its end; decides over the will and what the client is told. */
export const EndReason = {
  /** The connection broke, or a deadline passed. */
  CONNECTION_LOST: 0,
  CLIENT_DISCONNECTED: 1,
  SERVER_CLOSED: 2,
} as const;
export type EndReason = (typeof EndReason)[keyof typeof EndReason];
