/**
 * Counters of every thread in one SharedArrayBuffer: one row of 64-bit floats per thread, one
 * column per counter. A row has one writer, its thread; main sums the columns when somebody asks
 * (/metrics, $SYS). A torn read is impossible: an aligned 8-byte store is one instruction on every
 * platform Node runs on.
 */

/** `kind` "gauge": goes up and down. Names are without prefix; `_total` is added to counters. */
export interface CounterDefinition {
  readonly name: string;
  readonly kind: "counter" | "gauge";
  readonly help: string;
  /** Fixed labels of this column, e.g. { qos: "0" }. */
  readonly labels?: Readonly<Record<string, string>>;
}

function counter(
  name: string,
  help: string,
  labels?: Readonly<Record<string, string>>,
): CounterDefinition {
  return labels === undefined
    ? { name, kind: "counter", help }
    : { name, kind: "counter", help, labels };
}

function gauge(name: string, help: string): CounterDefinition {
  return { name, kind: "gauge", help };
}

const DROPPED = "messages that were not delivered, by reason";
const RECEIVED = "PUBLISH packets received";
const SENT = "PUBLISH packets sent";

/** Append at the end; the position is the column. */
export const COUNTERS = [
  gauge("connections", "open connections, authenticated or not"),
  gauge("sessions_connected", "MQTT sessions with a connection"),
  gauge("subscriptions", "subscriptions of this node"),
  gauge("shared_subscriptions", "shared subscriptions of this node"),
  gauge("retained_messages", "retained messages stored"),
  gauge("retained_bytes", "bytes of retained messages stored"),
  gauge("persistent_sessions", "stored sessions, connected or not"),
  gauge("inbox_messages", "messages stored for persistent sessions"),
  gauge("inbox_bytes", "bytes stored for persistent sessions"),
  counter("connects", "CONNECT packets accepted"),
  counter("connect_failures", "CONNECT packets refused"),
  counter("disconnects", "sessions whose connection ended"),
  counter("accepts", "connections accepted by listeners"),
  counter("accepts_refused", "connections refused before any byte was read"),
  counter("received_bytes", "bytes read from clients"),
  counter("sent_bytes", "bytes written to clients"),
  counter("packets_received", "control packets received"),
  counter("packets_sent", "control packets sent"),
  counter("publish_received", RECEIVED, { qos: "0" }),
  counter("publish_received", RECEIVED, { qos: "1" }),
  counter("publish_received", RECEIVED, { qos: "2" }),
  counter("publish_sent", SENT, { qos: "0" }),
  counter("publish_sent", SENT, { qos: "1" }),
  counter("publish_sent", SENT, { qos: "2" }),
  counter("publish_received_bytes", "payload bytes of PUBLISH packets received"),
  counter("publish_sent_bytes", "payload bytes of PUBLISH packets sent"),
  counter("dropped", DROPPED, { reason: "ring_full" }),
  counter("dropped", DROPPED, { reason: "slow_consumer" }),
  counter("dropped", DROPPED, { reason: "queue_full" }),
  counter("dropped", DROPPED, { reason: "expired" }),
  counter("dropped", DROPPED, { reason: "too_large" }),
  counter("dropped", DROPPED, { reason: "no_subscriber" }),
  counter("dropped", DROPPED, { reason: "not_authorized" }),
  counter("dropped", DROPPED, { reason: "fanout_limit" }),
  counter("protocol_errors", "connections closed for a malformed or illegal packet"),
  counter("takeovers", "connections replaced by a newer one with the same client identifier"),
  counter("auth_failures", "refused authentications"),
  counter("authorization_denied", "refused publishes, subscriptions and wills"),
  counter("stalled_closed", "connections closed because they took no data for too long"),
  counter("wills_published", "will messages published"),
  counter("redelivered", "messages sent again with DUP"),
  counter("shared_redispatched", "shared messages handed to another member"),
  counter("loop_cycles", "duty cycles of the worker's event loop"),
  counter("handshake_failures", "connections lost to PROXY header, TLS or WebSocket handshake"),
  gauge("event_loop_delay_p99_seconds", "delay of a timer of the worker, this minute or the last"),
  gauge("event_loop_delay_max_seconds", "longest delay of a timer, this minute or the last"),
  counter("gc_seconds", "time spent collecting garbage, in seconds"),
  gauge("ring_high_water_records", "most ring records that one duty cycle found"),
  counter("store_commits", "commits of the worker's stores; each flushes the disk once"),
  counter(
    "store_commit_entries",
    "log entries in commits; one holds a worker's commands of a cycle",
  ),
  counter("store_commit_bytes", "bytes of log and state in commits"),
  counter("store_commit_seconds", "time from commits to their being done, in seconds"),
  counter("store_flush_seconds", "time the disk took to flush commits, in seconds"),
  gauge(
    "store_commit_p99_seconds",
    "time from a commit to its being done, this minute or the last",
  ),
  counter("dropped", DROPPED, { reason: "disk_full" }),
  counter("dropped", DROPPED, { reason: "retain_quota" }),
  counter(
    "retained_incomplete",
    "subscriptions that could not be given all retained messages: some were out of reach",
  ),
] as const satisfies readonly CounterDefinition[];

/** Column numbers, in the order of COUNTERS. */
export const Counter = {
  CONNECTIONS: 0,
  SESSIONS_CONNECTED: 1,
  SUBSCRIPTIONS: 2,
  SHARED_SUBSCRIPTIONS: 3,
  RETAINED_MESSAGES: 4,
  RETAINED_BYTES: 5,
  PERSISTENT_SESSIONS: 6,
  INBOX_MESSAGES: 7,
  INBOX_BYTES: 8,
  CONNECTS: 9,
  CONNECT_FAILURES: 10,
  DISCONNECTS: 11,
  ACCEPTS: 12,
  ACCEPTS_REFUSED: 13,
  RECEIVED_BYTES: 14,
  SENT_BYTES: 15,
  PACKETS_RECEIVED: 16,
  PACKETS_SENT: 17,
  /** Add the QoS. */
  PUBLISH_RECEIVED_QOS0: 18,
  /** Add the QoS. */
  PUBLISH_SENT_QOS0: 21,
  PUBLISH_RECEIVED_BYTES: 24,
  PUBLISH_SENT_BYTES: 25,
  DROPPED_RING_FULL: 26,
  DROPPED_SLOW_CONSUMER: 27,
  DROPPED_QUEUE_FULL: 28,
  DROPPED_EXPIRED: 29,
  DROPPED_TOO_LARGE: 30,
  DROPPED_NO_SUBSCRIBER: 31,
  DROPPED_NOT_AUTHORIZED: 32,
  DROPPED_FANOUT_LIMIT: 33,
  PROTOCOL_ERRORS: 34,
  TAKEOVERS: 35,
  AUTH_FAILURES: 36,
  AUTHORIZATION_DENIED: 37,
  STALLED_CLOSED: 38,
  WILLS_PUBLISHED: 39,
  REDELIVERED: 40,
  SHARED_REDISPATCHED: 41,
  LOOP_CYCLES: 42,
  HANDSHAKE_FAILURES: 43,
  EVENT_LOOP_DELAY_P99_SECONDS: 44,
  EVENT_LOOP_DELAY_MAX_SECONDS: 45,
  GC_SECONDS: 46,
  RING_HIGH_WATER_RECORDS: 47,
  STORE_COMMITS: 48,
  STORE_COMMIT_ENTRIES: 49,
  STORE_COMMIT_BYTES: 50,
  STORE_COMMIT_SECONDS: 51,
  STORE_FLUSH_SECONDS: 52,
  STORE_COMMIT_P99_SECONDS: 53,
  DROPPED_DISK_FULL: 54,
  DROPPED_RETAIN_QUOTA: 55,
  RETAINED_INCOMPLETE: 56,
} as const;

/** Room for growth, and rows on cache lines of their own: a multiple of 8. */
export const COUNTER_COLUMNS = 64;

/** Bytes of the table for main and `workerCount` workers. */
export function counterTableSize(workerCount: number): number {
  return (workerCount + 1) * COUNTER_COLUMNS * Float64Array.BYTES_PER_ELEMENT;
}

/** The row of one thread (0 = main): the thread's own counters, or anybody's for reading. */
export function counterRow(table: SharedArrayBuffer, threadIndex: number): Float64Array {
  const rowBytes = COUNTER_COLUMNS * Float64Array.BYTES_PER_ELEMENT;
  return new Float64Array(table, threadIndex * rowBytes, COUNTER_COLUMNS);
}
