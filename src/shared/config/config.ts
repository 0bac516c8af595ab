/**
 * The effective configuration as every thread sees it: plain, frozen, validated data
 * (structured-cloneable). `main/config/` builds it from defaults < file < environment < flags and
 * owns the schema and its documentation.
 */

import type { TenantSettings } from "../tenant/tenant-settings.ts";

export type ListenerProtocol = "mqtt" | "mqtts" | "ws" | "wss";

export interface TlsConfig {
  /** PEM file paths. */
  readonly certFile: string;
  readonly keyFile: string;
  /** CA bundle that client certificates are verified against; null = none are asked for. */
  readonly caFile: string | null;
  readonly clientCertificate: "none" | "optional" | "required";
  /** Server names with certificates of their own (SNI); "*.example.org" matches one label. */
  readonly sni: Readonly<Record<string, { readonly certFile: string; readonly keyFile: string }>>;
}

export interface ListenerConfig {
  /** Unique, e.g. "mqtt-1883"; label in logs and metrics. */
  readonly id: string;
  readonly protocol: ListenerProtocol;
  /** "127.0.0.1", "::", a host name. */
  readonly host: string;
  /** 0..65535; 0 = any free port (the same one on every worker). */
  readonly port: number;
  readonly tls: TlsConfig | null;
  /** WebSocket only: request path. */
  readonly path: string;
  /** WebSocket only: allowed Origin values; empty = any. Requests without Origin always pass. */
  readonly allowedOrigins: readonly string[];
  /** WebSocket only: what serves it. "uws" (uWebSockets.js): plain, without PROXY protocol. */
  readonly websocketEngine: "builtin" | "uws";
  /** "none", or the PROXY protocol version 1 or 2 header must lead every connection. */
  readonly proxyProtocol: "none" | "required";
  /** Connections open at once over all workers; 0 = no limit. */
  readonly maxConnections: number;
}

export interface AuthConfig {
  /** "loopback": anonymous clients from loopback only; "all"; "none". */
  readonly allowAnonymous: "loopback" | "all" | "none";
  readonly passwordFile: string | null;
  readonly aclFile: string | null;
  /** Offer SCRAM-SHA-256 over the credentials of this file; null = off. */
  readonly scramFile: string | null;
  /** Milliseconds a provider may take per question. */
  readonly timeoutMs: number;
  /**
   * Password checks that may run or wait at once in the whole process; more are refused with 0x97.
   */
  readonly maxPendingHashes: number;
  /** Tenant of clients whose provider names none. */
  readonly defaultTenant: string;
}

export interface LimitsConfig {
  /** Milliseconds from accept to a complete CONNECT. */
  readonly connectTimeoutMs: number;
  /** Accepted connections per second and process; 0 = no limit. */
  readonly acceptRatePerSecond: number;
  readonly acceptBurst: number;
  /** Connections over all listeners and workers; 0 = no limit. */
  readonly maxConnections: number;
  /** Bytes a connection may make the broker hold before it is authenticated. At most 65536. */
  readonly preAuthBytes: number;
  /** Bytes; the largest control packet accepted after CONNECT. */
  readonly maxPacketSize: number;
  /** Output bytes held for one connection before QoS 0 is dropped for it. */
  readonly connectionOutputBytes: number;
  /**
   * Output bytes held for all connections of one tenant and of the process before QoS 0 is dropped.
   */
  readonly tenantOutputBytes: number;
  readonly processOutputBytes: number;
  /** Milliseconds without progress of a full connection before it is closed with 0x97. */
  readonly stalledTimeoutMs: number;
  /** Bytes of QoS 1 and 2 messages waiting for one session; new ones are refused beyond. */
  readonly sessionQueueBytes: number;
  /** The same for all sessions of one tenant, and of the process. */
  readonly tenantQueueBytes: number;
  readonly processQueueBytes: number;
}

/** What holds the Raft logs: files of their own, or LMDB as it holds the state. */
export type LogKind = "segments" | "lmdb";

export interface StorageConfig {
  /** "fsync": a commit is done when it is on the disk; "os": when it survives the process. */
  readonly durability: "fsync" | "os";
  /** Of a data folder that is made now; another one stays as it was made. */
  readonly log: LogKind;
  /** Milliseconds between two writes of a range's changed state. */
  readonly collectIntervalMs: number;
  /** Free bytes of the data folder's disk below which stored messages are refused. */
  readonly diskReserveBytes: number;
  /** When a range is split; 0 = never for this reason. */
  readonly split: {
    readonly keys: number;
    readonly bytes: number;
    readonly busyPercent: number;
  };
}

export interface BrokerConfig {
  readonly workers: number;
  readonly dataDir: string;
  readonly storage: StorageConfig;
  /** Node name in logs and $SYS. */
  readonly nodeName: string;
  readonly log: { readonly level: string; readonly format: "json" | "pretty" };
  readonly admin: { readonly enabled: boolean; readonly host: string; readonly port: number };
  readonly listeners: readonly ListenerConfig[];
  /** "auto": many sends in one system call where the kernel lets us. */
  readonly ioUring: "auto" | "off";
  readonly auth: AuthConfig;
  readonly limits: LimitsConfig;
  readonly shutdown: { readonly timeoutMs: number; readonly disconnectsPerSecond: number };
  /** Seconds between $SYS updates; 0 = no $SYS topics. */
  readonly sysIntervalSeconds: number;
  readonly sharedSubscriptionStrategy: "least_inflight" | "round_robin" | "random";
  /** Settings of tenants that `tenants` does not name. */
  readonly tenantDefaults: TenantSettings;
  /** Complete settings by tenant id: defaults already filled in. */
  readonly tenants: Readonly<Record<string, TenantSettings>>;
}
