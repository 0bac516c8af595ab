/**
 * The one way this project states what must hold. A failed assertion is a bug of ours, never a
 * fault of a peer: it throws, the thread dies, and the supervisor restarts it. Nothing catches it
 * in order to go on.
 */

/** Thrown by `assert`; its stack names the broken invariant's line. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Throws AssertionError with `text` unless `condition` holds. Costs one branch when it does. */
export function assert(condition: boolean, text: string): asserts condition {
  if (!condition) throw new AssertionError(text);
}

/** Marks a `switch` branch that the types prove unreachable. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`);
}
