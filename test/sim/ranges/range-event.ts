/** The kinds of events in the world of ranges, and what each has as its subject. */

export const RangeEvent = {
  /** To a node: its cores' clocks tick. */
  TICK: 1,
  /** To a node: a Packet. */
  DELIVER: 2,
  /** To a node: the disk has finished a flush. */
  FLUSHED: 3,
  /** To a node: machines may write their state. */
  COLLECT: 4,
  /** To the world: the gateway sends what it has gathered. */
  CYCLE: 5,
  /** To the world: a session; it does something. */
  SESSION: 6,
  /** To the world: an Arrival. */
  ARRIVAL: 7,
  /** To the world: somebody publishes. */
  PUBLISH: 8,
  /** To the world: something is stored, cleared or looked up among retained messages. */
  RETAIN: 9,
  /** To the world: what is due by itself is proposed. */
  TIMERS: 10,
  /** To the world: the next fault. */
  NEMESIS: 11,
  /** To the world: node position; its process starts. */
  RESTART: 12,
  /** To the world: a function that was to be called later. */
  LATER: 13,
  /** To a node: a Delivery; whether its snapshot has arrived is not known, so it has not. */
  REPORT: 14,
} as const;
