/**
 * The operator as a user of the session dictionary and of stored sessions: may take any session,
 * whoever it is bound to, to end it. No client can be that user, because U+0000 is not allowed in a
 * user name [MQTT-1.5.4-2].
 */
export const OPERATOR_USER = "\u0000";

/** May `userId` take over what belongs to `ownerId`? */
export function mayTake(userId: string, ownerId: string): boolean {
  // What the operator has, it gives back at once: whoever comes meanwhile waits for that.
  return userId === ownerId || userId === OPERATOR_USER || ownerId === OPERATOR_USER;
}
