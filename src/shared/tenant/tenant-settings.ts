/**
 * Per-tenant settings under the names BifroMQ uses, with our defaults and valid ranges.
 *
 * Where a BifroMQ default would surprise a single-tenant user (ten retained messages per
 * subscription, two hundred publishes per second), ours is off or high; the table says which. 0
 * means "no limit" where `zeroIsOff` is set. Workers read the settings object of a tenant at each
 * use, so a reload reaches live connections; except for what CONNACK has promised a client (keep
 * alive, session expiry, topic aliases, receive maximum), which holds until it connects again.
 */

export interface TenantSettings {
  readonly MQTT3Enabled: boolean;
  readonly MQTT4Enabled: boolean;
  readonly MQTT5Enabled: boolean;
  readonly NoLWTWhenServerShuttingDown: boolean;
  readonly DebugModeEnabled: boolean;
  readonly ForceTransient: boolean;
  readonly ByPassPermCheckError: boolean;
  readonly PayloadFormatValidationEnabled: boolean;
  readonly RetainEnabled: boolean;
  readonly WildcardSubscriptionEnabled: boolean;
  readonly SubscriptionIdentifierEnabled: boolean;
  readonly SharedSubscriptionEnabled: boolean;
  readonly MaximumQoS: number;
  readonly MaxTopicLevelLength: number;
  readonly MaxTopicLevels: number;
  readonly MaxTopicLength: number;
  readonly MaxTopicAlias: number;
  readonly MaxSharedGroupMembers: number;
  readonly MaxTopicFiltersPerInbox: number;
  readonly MsgPubPerSec: number;
  readonly ReceivingMaximum: number;
  readonly InBoundBandWidth: number;
  readonly OutBoundBandWidth: number;
  readonly MaxLastWillBytes: number;
  readonly MaxUserPayloadBytes: number;
  readonly MinSendPerSec: number;
  readonly MaxResendTimes: number;
  readonly ResendTimeoutSeconds: number;
  readonly MaxTopicFiltersPerSub: number;
  readonly MaxGroupFanout: number;
  readonly MaxPersistentFanout: number;
  readonly MaxPersistentFanoutBytes: number;
  readonly MaxSessionExpirySeconds: number;
  readonly MinSessionExpirySeconds: number;
  readonly MinKeepAliveSeconds: number;
  readonly SessionInboxSize: number;
  readonly QoS0DropOldest: boolean;
  readonly RetainMessageMatchLimit: number;
  readonly RetainMaxTopics: number;
  readonly RetainMaxBytes: number;
  readonly TotalPersistentSessions: number;
}

export type TenantSettingName = keyof TenantSettings;

export interface SettingDefinition {
  readonly default: boolean | number;
  /** Integers only; both ends included. Absent for booleans. */
  readonly minimum?: number;
  readonly maximum?: number;
  readonly zeroIsOff?: boolean;
  readonly description: string;
}

const UINT32_MAX = 0xffff_ffff;
const MIB = 1024 * 1024;

function flag(value: boolean, description: string): SettingDefinition {
  return { default: value, description };
}

function count(
  value: number,
  minimum: number,
  maximum: number,
  description: string,
): SettingDefinition {
  const zeroIsOff = minimum === 0;
  return { default: value, minimum, maximum, zeroIsOff, description };
}

export const TENANT_SETTINGS: Readonly<Record<TenantSettingName, SettingDefinition>> = {
  MQTT3Enabled: flag(true, "accept MQTT 3.1 clients"),
  MQTT4Enabled: flag(true, "accept MQTT 3.1.1 clients"),
  MQTT5Enabled: flag(true, "accept MQTT 5 clients"),
  NoLWTWhenServerShuttingDown: flag(true, "publish no will messages when the broker shuts down"),
  DebugModeEnabled: flag(false, "log an event per message received, sent and dropped"),
  ForceTransient: flag(false, "treat every session as ending with its connection"),
  ByPassPermCheckError: flag(false, "a permission check that fails counts as granted"),
  PayloadFormatValidationEnabled: flag(true, "check UTF-8 payloads that say they are UTF-8"),
  RetainEnabled: flag(true, "accept retained messages"),
  WildcardSubscriptionEnabled: flag(true, "accept filters with + or #"),
  SubscriptionIdentifierEnabled: flag(true, "accept subscription identifiers"),
  SharedSubscriptionEnabled: flag(true, "accept $share and $oshare filters"),
  MaximumQoS: { default: 2, minimum: 0, maximum: 2, description: "highest QoS of a publish" },
  MaxTopicLevelLength: count(1024, 1, 65535, "bytes in one topic level"),
  MaxTopicLevels: count(64, 1, 1024, "levels in a topic or filter"),
  MaxTopicLength: count(4096, 1, 65535, "bytes in a topic or filter"),
  MaxTopicAlias: count(32, 0, 65535, "topic aliases per connection and direction"),
  MaxSharedGroupMembers: count(10_000, 1, UINT32_MAX, "members of one shared group"),
  MaxTopicFiltersPerInbox: count(0, 0, UINT32_MAX, "subscriptions per session; 0 = no limit"),
  MsgPubPerSec: count(0, 0, UINT32_MAX, "publishes per second and connection; 0 = no limit"),
  ReceivingMaximum: count(1024, 1, 65535, "QoS 1 and 2 publishes in flight from one client"),
  InBoundBandWidth: count(0, 0, UINT32_MAX, "bytes per second read per connection; 0 = no limit"),
  OutBoundBandWidth: count(0, 0, UINT32_MAX, "bytes per second sent per connection; 0 = no limit"),
  MaxLastWillBytes: count(MIB, 1, 250 * MIB, "bytes in a will payload"),
  MaxUserPayloadBytes: count(256 * MIB, 1, 256 * MIB, "bytes in a publish payload"),
  MinSendPerSec: count(
    8,
    1,
    65535,
    "accepted, without effect: the send window is the client's receive maximum, and byte budgets slow down who does not read",
  ),
  MaxResendTimes: count(
    0,
    0,
    1000,
    "MQTT 3.x: re-sends of a message on one connection before it is given up; 0 = none, as MQTT 5 demands",
  ),
  ResendTimeoutSeconds: count(10, 1, 86400, "seconds without acknowledgement before a re-send"),
  MaxTopicFiltersPerSub: count(1000, 1, 65535, "filters in one SUBSCRIBE"),
  MaxGroupFanout: count(UINT32_MAX, 1, UINT32_MAX, "shared groups served per publish"),
  MaxPersistentFanout: count(UINT32_MAX, 1, UINT32_MAX, "persistent subscribers per publish"),
  MaxPersistentFanoutBytes: count(
    Number.MAX_SAFE_INTEGER,
    1,
    Number.MAX_SAFE_INTEGER,
    "bytes stored for persistent subscribers per publish",
  ),
  MaxSessionExpirySeconds: count(UINT32_MAX, 0, UINT32_MAX, "longest session expiry granted"),
  MinSessionExpirySeconds: count(0, 0, UINT32_MAX, "shortest session expiry of a kept session"),
  MinKeepAliveSeconds: count(5, 1, 65534, "shortest keep alive; MQTT 5 clients are told"),
  SessionInboxSize: count(10_000, 1, UINT32_MAX, "messages waiting per session and QoS class"),
  QoS0DropOldest: flag(
    false,
    "a full QoS 0 queue of a stored session drops its oldest message, not the newest; other sessions queue no QoS 0",
  ),
  RetainMessageMatchLimit: count(0, 0, UINT32_MAX, "retained messages per filter; 0 = no limit"),
  RetainMaxTopics: count(0, 0, UINT32_MAX, "retained messages per tenant and node; 0 = no limit"),
  RetainMaxBytes: count(
    0,
    0,
    Number.MAX_SAFE_INTEGER,
    "topic, property and payload bytes retained per tenant and node; 0 = no limit",
  ),
  TotalPersistentSessions: count(
    0,
    0,
    UINT32_MAX,
    "stored sessions per tenant and node; 0 = no limit",
  ),
};

/** The settings every tenant starts from. */
export const DEFAULT_TENANT_SETTINGS: TenantSettings = Object.freeze(
  Object.fromEntries(
    Object.entries(TENANT_SETTINGS).map(([name, definition]) => [name, definition.default]),
  ),
) as unknown as TenantSettings;
