/**
 * What a worker knows of each tenant: its settings, and its own counters for $SYS.
 *
 * Sessions hold their Tenant and read `tenant.settings` at each use, so a reload reaches live
 * connections. Thread: worker.
 */

import type { BrokerConfig } from "../../shared/config/config.ts";
import type { QuotaAccount, QuotaLedger } from "../../shared/quota/quota-ledger.ts";
import type { TenantSettings } from "../../shared/tenant/tenant-settings.ts";

/** One tenant's share of this worker; plain numbers, summed over workers by sys-topics.ts. */
export class TenantCounters {
  clientsConnected = 0;
  /** Of those, connected to a stored session. */
  storedConnected = 0;
  subscriptions = 0;
  sharedSubscriptions = 0;
  messagesReceived = 0;
  messagesSent = 0;
  bytesReceived = 0;
  bytesSent = 0;
  publishReceived = 0;
  publishSent = 0;
  publishDropped = 0;
  publishBytesReceived = 0;
  publishBytesSent = 0;
  connections = 0;
}

export class Tenant {
  readonly id: string;
  settings: TenantSettings;
  /** Output bytes of this tenant's connections here that the kernel has not taken. */
  pendingBytes = 0;
  /** Memory of messages that wait in transient sessions of this tenant here. */
  queueBytes = 0;
  /** What it has on all workers. */
  readonly account: QuotaAccount;
  readonly counters = new TenantCounters();

  constructor(id: string, settings: TenantSettings, account: QuotaAccount) {
    this.id = id;
    this.account = account;
    this.settings = settings;
  }
}

/** Tenants are made when first seen and kept: their counters must not go back. */
export class TenantTable {
  readonly #tenants = new Map<string, Tenant>();
  readonly #quotas: QuotaLedger;
  #config: BrokerConfig;

  constructor(config: BrokerConfig, quotas: QuotaLedger) {
    this.#config = config;
    this.#quotas = quotas;
  }

  get(tenantId: string): Tenant {
    const known = this.#tenants.get(tenantId);
    if (known !== undefined) return known;
    const settings = settingsOf(this.#config, tenantId);
    const tenant = new Tenant(tenantId, settings, this.#quotas.account(tenantId));
    this.#tenants.set(tenantId, tenant);
    return tenant;
  }

  settings(tenantId: string): TenantSettings {
    return this.#tenants.get(tenantId)?.settings ?? settingsOf(this.#config, tenantId);
  }

  all(): IterableIterator<Tenant> {
    return this.#tenants.values();
  }

  reload(config: BrokerConfig): void {
    this.#config = config;
    for (const tenant of this.#tenants.values()) tenant.settings = settingsOf(config, tenant.id);
  }
}

function settingsOf(config: BrokerConfig, tenantId: string): TenantSettings {
  return Object.hasOwn(config.tenants, tenantId)
    ? (config.tenants[tenantId] ?? config.tenantDefaults)
    : config.tenantDefaults;
}
