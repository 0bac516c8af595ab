/**
 * How the process ends. The numbers above 63 are those of sysexits.h, which service managers know.
 */

export const ExitCode = {
  OK: 0,
  /** Something failed while running; a restart may help. */
  RUNTIME: 1,
  /** The command line makes no sense. */
  USAGE: 64,
  /** An address to listen on cannot be had. */
  UNAVAILABLE: 69,
  /** The configuration is wrong: a restart will not help. */
  CONFIG: 78,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** An end that the operator can do something about: `message` says what, no stack. */
export class ExitError extends Error {
  override readonly name = "ExitError";
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}
