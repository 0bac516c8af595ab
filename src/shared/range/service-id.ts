/** The services that keep their state in ranges. The numbers are stored: never change one. */
export const ServiceId = {
  /** tenant, filter, receiver: routes of persistent sessions and shared groups. */
  DIST: 1,
  /** u32 hash of tenant and client identifier, tenant, client identifier, ...: stored sessions. */
  INBOX: 2,
  /** u32 hash of tenant and topic, tenant, topic: retained messages. */
  RETAIN: 3,
} as const;
export type ServiceId = (typeof ServiceId)[keyof typeof ServiceId];
