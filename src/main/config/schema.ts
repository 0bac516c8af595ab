/**
 * The configuration as people write it: every key once, with type, range, default and
 * documentation.
 *
 * From this one definition come validation, defaults, `config schema` (JSON Schema for editors),
 * the reference page and the static type of a configuration file. `build-config.ts` turns a valid
 * file into the BrokerConfig of the threads.
 *
 * Rules of thumb: keys are snake_case with the unit last; 0 means "no limit" where the text says
 * so; a key that may be left out and has no default is decided by context, which its text explains.
 */

import { type Static, type TSchema, Type } from "typebox";
import { MAX_LISTENERS, MAX_WORKERS } from "../../shared/metrics/shared-words.ts";
import { TENANT_SETTINGS, type TenantSettingName } from "../../shared/tenant/tenant-settings.ts";

const SECOND_MS = 1000;
const MIB = 1024 * 1024;
const UINT32_MAX = 0xffff_ffff;
/** MQTT5 §2.1.4: fixed header of 5 bytes and the largest remaining length. */
const LARGEST_PACKET = 5 + 268_435_455;
/**
 * Tenant ids appear in user names, logs and metric labels: no separators, no spaces, no leading
 * dot.
 */
export const TENANT_ID_PATTERN = "^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}$";
const LISTENER_ID_PATTERN = "^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$";

interface Range {
  readonly minimum: number;
  readonly maximum: number;
}

function count(value: number, range: Range, description: string) {
  return Type.Integer({ default: value, ...range, description });
}

/** A number of bytes; files may also say 64KiB, 16MiB, 1GiB (`x-unit` makes the reader convert). */
function byteCount(value: number, range: Range, description: string) {
  return Type.Integer({ default: value, ...range, description, "x-unit": "bytes" });
}

/** One of a few words; the first is the default. */
function choice<Values extends [string, ...string[]]>(
  values: readonly [...Values],
  description: string,
) {
  return Type.Enum<Values>(values, { default: values[0], description });
}

function flag(value: boolean, description: string) {
  return Type.Boolean({ default: value, description });
}

function text(description: string) {
  return Type.String({ minLength: 1, description });
}

/** A file; relative paths start at the configuration file's folder. */
function filePath(description: string) {
  return Type.Optional(Type.String({ minLength: 1, description, "x-path": true }));
}

/** A block of keys: unknown ones are errors, and the block itself may be left out. */
function block<P extends Record<string, TSchema>>(description: string, properties: P) {
  return Type.Object(properties, { description, additionalProperties: false, default: {} });
}

const CERTIFICATE = {
  cert_file: Type.String({
    minLength: 1,
    description: "certificate chain, PEM, the server's own first",
    "x-path": true,
  }),
  key_file: Type.String({ minLength: 1, description: "private key, PEM", "x-path": true }),
};

const tlsSchema = Type.Object(
  {
    ...CERTIFICATE,
    ca_file: filePath("certificates that client certificates must be signed by, PEM"),
    client_certificate: choice(
      ["none", "optional", "required"],
      "ask clients for a certificate; needs ca_file",
    ),
    sni: Type.Record(Type.String(), Type.Object(CERTIFICATE, { additionalProperties: false }), {
      default: {},
      description: 'certificates by server name; "*.example.org" matches one label',
    }),
  },
  { additionalProperties: false, description: "certificates" },
);

const PORT_RANGE = { minimum: 0, maximum: 65535 };
export const LISTENER_PROTOCOLS = ["mqtt", "mqtts", "ws", "wss"] as const;

const listenerSchema = Type.Object(
  {
    id: Type.Optional(
      Type.String({
        pattern: LISTENER_ID_PATTERN,
        description: "name in logs and metrics; left out: protocol and port, as in mqtt-1883",
      }),
    ),
    url: Type.Optional(text("protocol, host, port and path in one, as in ws://0.0.0.0:8083/mqtt")),
    protocol: Type.Optional(Type.Enum([...LISTENER_PROTOCOLS], { description: "left out: mqtt" })),
    host: Type.Optional(text('address to bind; left out: "::", which is every address')),
    port: Type.Optional(
      Type.Integer({
        ...PORT_RANGE,
        description: "left out: 1883, mqtts 8883, ws 8083, wss 8084; 0 takes any free port",
      }),
    ),
    path: Type.Optional(
      Type.String({ pattern: "^/", description: "WebSocket only: request path; left out: /mqtt" }),
    ),
    tls: Type.Optional(tlsSchema),
    allowed_origins: Type.Array(text("one Origin, as in https://app.example.org"), {
      default: [],
      description: "WebSocket: Origin values let in; empty lets any in",
    }),
    websocket_engine: choice(
      ["builtin", "uws"],
      "ws only: uws takes uWebSockets.js, if installed; the README says what it lacks",
    ),
    proxy_protocol: choice(
      ["none", "required"],
      "a load balancer in front sends a PROXY protocol header (version 1 or 2)",
    ),
    max_connections: count(0, { minimum: 0, maximum: UINT32_MAX }, "open at once; 0 = no limit"),
  },
  { additionalProperties: false, description: "a listener" },
);

function tenantSettingSchema(name: TenantSettingName): TSchema {
  const setting = TENANT_SETTINGS[name];
  const description = setting.description;
  if (typeof setting.default === "boolean") {
    return Type.Optional(Type.Boolean({ description, "x-default": setting.default }));
  }
  return Type.Optional(
    Type.Integer({
      minimum: setting.minimum ?? 0,
      maximum: setting.maximum ?? Number.MAX_SAFE_INTEGER,
      description,
      "x-default": setting.default,
    }),
  );
}

const SETTING_NAMES = Object.keys(TENANT_SETTINGS) as TenantSettingName[];

const tenantSchema = Type.Object(
  Object.fromEntries(SETTING_NAMES.map((name) => [name, tenantSettingSchema(name)])),
  { additionalProperties: false, description: "settings of one tenant" },
);

export const configSchema = Type.Object(
  {
    workers: count(
      0,
      { minimum: 0, maximum: MAX_WORKERS },
      "worker threads; 0 = one per available core",
    ),
    node_name: Type.Optional(text("name in logs and $SYS; left out: the host name")),
    data_dir: Type.String({
      minLength: 1,
      default: "data",
      description: "folder for what must survive a restart; created when missing",
      "x-path": true,
    }),
    durability: choice(
      ["fsync", "os"],
      "fsync: acknowledged when it is on the disk; os: when it survives the process, not the machine",
    ),
    storage: block("how state is stored", {
      log: choice(
        ["segments", "lmdb"],
        "where the log of all changes is written, files of its own or LMDB; a data folder stays as it was made",
      ),
      collect_interval_ms: count(
        100,
        { minimum: 10, maximum: 10 * SECOND_MS },
        "milliseconds between two writes of changed state; until then the log has it",
      ),
      disk_reserve_bytes: byteCount(
        64 * MIB,
        { minimum: MIB, maximum: 65_536 * MIB },
        "free space of the disk below which messages that need more of it are refused",
      ),
      split_keys: count(
        10_000_000,
        { minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
        "keys from which a range is split in two; 0 = never",
      ),
      split_bytes: byteCount(
        1024 * MIB,
        { minimum: 0, maximum: 65_536 * MIB },
        "bytes of a range's state, in memory or stored, from which it is split in two; 0 = never",
      ),
      split_busy_percent: count(
        0,
        { minimum: 0, maximum: 100 },
        "share of one core, or of the time in which its store writes, that a range may take before it is split in two, which relieves neither on one node; 0 = never",
      ),
    }),
    log: block("the log, on standard output", {
      level: choice(["info", "debug", "warn", "error", "silent"], "least important level written"),
      format: Type.Optional(
        Type.Enum(["json", "pretty"], {
          description: "left out: pretty on a terminal, json elsewhere",
        }),
      ),
    }),
    admin: block("HTTP: /livez, /readyz, /metrics", {
      enabled: flag(true, "serve it at all"),
      host: Type.String({ minLength: 1, default: "127.0.0.1", description: "address to bind" }),
      port: count(8091, PORT_RANGE, "0 takes any free port"),
    }),
    listeners: Type.Optional(
      Type.Array(listenerSchema, {
        minItems: 1,
        maxItems: MAX_LISTENERS,
        description: "where clients connect; left out: mqtt://[::]:1883 and ws://[::]:8083/mqtt",
      }),
    ),
    io_uring: choice(
      ["auto", "off"],
      "auto: output for many clients in one system call, where Linux (6.1 or later) allows it",
    ),
    tls: Type.Optional(tlsSchema),
    auth: block("who may connect and do what", {
      allow_anonymous: Type.Optional(
        Type.Enum(["loopback", "all", "none"], {
          description:
            "clients without a user name; left out: loopback, or none once password_file or scram_file is set",
        }),
      ),
      password_file: filePath("users and password hashes, as `ratatosk passwd` writes them"),
      acl_file: filePath("who may publish and subscribe where; left out: everybody everywhere"),
      scram_file: filePath("credentials for SCRAM-SHA-256"),
      timeout_ms: count(
        5 * SECOND_MS,
        { minimum: 100, maximum: 60 * SECOND_MS },
        "milliseconds for one answer of an auth provider; later is no",
      ),
      max_pending_hashes: count(
        1000,
        { minimum: 1, maximum: 1_000_000 },
        "password checks running or waiting; more are refused",
      ),
      default_tenant: Type.String({
        pattern: TENANT_ID_PATTERN,
        default: "default",
        description: "tenant of clients whose provider names none",
      }),
    }),
    limits: block("limits of the process", {
      connect_timeout_ms: count(
        10 * SECOND_MS,
        { minimum: 100, maximum: 600 * SECOND_MS },
        "milliseconds from connecting to a complete CONNECT, and to its answer",
      ),
      accept_rate_per_second: count(
        0,
        { minimum: 0, maximum: 1_000_000 },
        "connections accepted per second; 0 = no limit",
      ),
      accept_burst: count(
        10_000,
        { minimum: 1, maximum: 1_000_000 },
        "connections accepted at once when accept_rate_per_second is set",
      ),
      max_connections: count(0, { minimum: 0, maximum: UINT32_MAX }, "open at once; 0 = no limit"),
      pre_auth_bytes: byteCount(
        65_536,
        { minimum: 1024, maximum: 65_536 },
        "held for a connection that is not authenticated yet",
      ),
      max_packet_size: byteCount(
        16 * MIB,
        { minimum: 256, maximum: LARGEST_PACKET },
        "largest control packet accepted; MQTT 5 clients are told",
      ),
      connection_output_bytes: byteCount(
        MIB,
        { minimum: 16_384, maximum: 1024 * MIB },
        "output waiting for one connection before QoS 0 messages are dropped for it",
      ),
      tenant_output_bytes: byteCount(
        256 * MIB,
        { minimum: MIB, maximum: 65_536 * MIB },
        "output waiting for all connections of one tenant before QoS 0 messages are dropped",
      ),
      process_output_bytes: byteCount(
        512 * MIB,
        { minimum: MIB, maximum: 65_536 * MIB },
        "output waiting for all connections before QoS 0 messages are dropped",
      ),
      session_queue_bytes: byteCount(
        64 * MIB,
        { minimum: 65_536, maximum: 65_536 * MIB },
        "QoS 1 and 2 messages waiting for one session before new ones are refused",
      ),
      tenant_queue_bytes: byteCount(
        512 * MIB,
        { minimum: MIB, maximum: 65_536 * MIB },
        "messages waiting for all stored sessions of one tenant before new ones are refused, and as many for its other sessions",
      ),
      process_queue_bytes: byteCount(
        1024 * MIB,
        { minimum: MIB, maximum: 65_536 * MIB },
        "messages waiting for all stored sessions before new ones are refused, and as many for other sessions",
      ),
      stalled_timeout_ms: count(
        30 * SECOND_MS,
        { minimum: SECOND_MS, maximum: 3600 * SECOND_MS },
        "milliseconds a full connection may take nothing before it is closed",
      ),
    }),
    shutdown: block("SIGTERM and SIGINT", {
      timeout_ms: count(
        10 * SECOND_MS,
        { minimum: 0, maximum: 600 * SECOND_MS },
        "milliseconds for telling clients and flushing output",
      ),
      disconnects_per_second: count(
        10_000,
        { minimum: 1, maximum: 1_000_000 },
        "clients told to go per second, so that they do not all come back at once",
      ),
    }),
    sys_interval_seconds: count(
      10,
      { minimum: 0, maximum: 86_400 },
      "seconds between updates of $SYS topics; 0 = no $SYS topics",
    ),
    shared_subscription_strategy: choice(
      ["least_inflight", "round_robin", "random"],
      "which member of a $share group gets a message",
    ),
    tenants: Type.Object(
      { defaults: Type.Optional(tenantSchema) },
      {
        default: {},
        description: "settings by tenant id; `defaults` holds for every tenant that sets no other",
        additionalProperties: tenantSchema,
        propertyNames: { pattern: TENANT_ID_PATTERN },
      },
    ),
  },
  { additionalProperties: false, title: "Ratatosk configuration" },
);

/** A configuration file after defaults are filled in. */
export type ConfigTree = Static<typeof configSchema>;
export type ListenerTree = Static<typeof listenerSchema>;
export type TlsTree = Static<typeof tlsSchema>;
