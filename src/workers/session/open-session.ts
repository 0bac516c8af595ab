/**
 * The second half of CONNECT: the client is who it says; now its tenant's rules, its claim on the
 * client identifier, its stored session, and the CONNACK. Continues handle-connect.ts. Thread:
 * worker.
 */

import { Counter } from "../../shared/metrics/counter-table.ts";
import type { ConnectPacket } from "../../shared/mqtt/packet-view.ts";
import { ReasonCode } from "../../shared/mqtt/reason-code.ts";
import { splitShareFilter } from "../../shared/topic/share-filter.ts";
import { AuthAction, type AuthOutcome } from "../auth/auth-provider.ts";
import { AuthorizationCache } from "../auth/authorization-cache.ts";
import { Subscription } from "../dist/subscription.ts";
import { type AttachReply, AttachStatus } from "../inbox/inbox-api.ts";
import { ClaimStatus } from "../session-dict/session-dict-api.ts";
import { checkConnect, grantedKeepAlive, grantedSessionExpiry } from "./connect-rules.ts";
import { countSubscriptions } from "./count-subscriptions.ts";
import { scheduleNextDeadline } from "./deadlines.ts";
import { InboundOrigins } from "./inbound-origins.ts";
import { OutboundAliases } from "./outbound-aliases.ts";
import { recheckSubscriptions } from "./recheck-permissions.ts";
import { refuse } from "./refuse-connect.ts";
import { updateResends } from "./resend.ts";
import { resumeReplays } from "./retained-replay.ts";
import { sendCold } from "./send.ts";
import type { Session } from "./session.ts";
import { logConnected } from "./session-events.ts";
import { PauseReason, Phase } from "./session-state.ts";
import { SubscriptionMap } from "./subscription-map.ts";
import { inboxWill } from "./will.ts";

type AuthSuccess = Extract<AuthOutcome, { kind: "success" }>;

/**
 * Receive Maximum of MQTT 3.x clients, which cannot say: enough to fill a fast link, small enough
 * to hold.
 */
const V3_RECEIVE_MAXIMUM = 1024;

export function openSession(session: Session, packet: ConnectPacket, auth: AuthSuccess): void {
  session.tenantId = auth.tenantId;
  session.tenant = session.context.tenants.get(auth.tenantId);
  const settings = session.tenant.settings;
  const refusal = checkConnect(packet, settings);
  if (refusal !== null) {
    refuse(session, refusal.reasonCode, refusal.text);
    return;
  }
  session.sessionExpirySeconds = grantedSessionExpiry(packet, settings);
  session.keepAliveMs = grantedKeepAlive(packet.keepAliveSeconds, settings) * 1000;
  if (session.isV5) {
    session.inboundReceiveMaximum = settings.ReceivingMaximum;
    session.inboundAliasMaximum = settings.MaxTopicAlias; // [MQTT-3.3.2-12]
  } else {
    session.receiveMaximum = V3_RECEIVE_MAXIMUM;
  }
  if (session.isV5 && packet.topicAliasMaximum > 0 && settings.MaxTopicAlias > 0) {
    // [MQTT-3.1.2-26] [MQTT-3.1.2-27] Fewer than the client allows is legal, more is not.
    const limit = Math.min(packet.topicAliasMaximum, settings.MaxTopicAlias);
    session.outboundAliases = new OutboundAliases(limit);
  }
  void authorizeOpening(session, packet, auth);
}

async function authorizeOpening(
  session: Session,
  packet: ConnectPacket,
  auth: AuthSuccess,
): Promise<void> {
  const { identity, context } = session;
  if (identity === null) return;
  const mayConnect = await context.auth.authorize(identity, AuthAction.CONNECT, "", 0, false);
  const will = packet.will;
  const mayWill =
    will === null ||
    (await context.auth.authorize(identity, AuthAction.WILL, will.topic, will.qos, will.retain));
  context.wake();
  if (session.phase !== Phase.OPENING) return;
  if (!mayConnect || !mayWill) {
    context.counters[Counter.AUTHORIZATION_DENIED]! += 1;
    refuse(
      session,
      ReasonCode.NOT_AUTHORIZED,
      mayConnect ? "will topic not authorized" : "not authorized to connect",
    );
    return;
  }
  session.authorizations = new AuthorizationCache(context.auth, identity);
  context.dict.claim(session.tenantId, session.clientId, identity.userId, (status, epoch) =>
    handleClaim(session, packet, auth, status, epoch),
  );
}

function handleClaim(
  session: Session,
  packet: ConnectPacket,
  auth: AuthSuccess,
  status: ClaimStatus,
  epoch: number,
): void {
  const { context } = session;
  if (session.phase !== Phase.OPENING) {
    // The connection ended while the claim was on its way: give it back.
    if (status === ClaimStatus.GRANTED) {
      context.dict.release(session.tenantId, session.clientId, epoch);
    }
    return;
  }
  if (status !== ClaimStatus.GRANTED) {
    const [code, text] = claimRefusal(status);
    refuse(session, code, text);
    return;
  }
  session.epoch = epoch;
  context.registry.claimed(session);
  context.inbox.attach(
    {
      tenantId: session.tenantId,
      clientId: session.clientId,
      userId: session.identity?.userId ?? "",
      epoch,
      cleanStart: session.cleanStart,
      sessionExpirySeconds: session.sessionExpirySeconds,
      receiveMaximum: session.receiveMaximum,
      will: session.will === null ? null : inboxWill(session, session.will),
    },
    session,
    (reply) => handleAttach(session, packet, auth, reply),
  );
}

function claimRefusal(status: ClaimStatus): [number, string] {
  if (status === ClaimStatus.WRONG_USER) {
    return [ReasonCode.NOT_AUTHORIZED, "the session belongs to another user"];
  }
  if (status === ClaimStatus.SUPERSEDED) {
    return [ReasonCode.SERVER_BUSY, "a newer connection uses this client identifier"];
  }
  return [ReasonCode.SERVER_UNAVAILABLE, "the session's owner is not available"];
}

function handleAttach(
  session: Session,
  packet: ConnectPacket,
  auth: AuthSuccess,
  reply: AttachReply,
): void {
  // Ended while attaching: endSession has detached it and given the claim back.
  if (session.phase !== Phase.OPENING) return;
  if (reply.status === AttachStatus.WRONG_USER) {
    refuse(session, ReasonCode.NOT_AUTHORIZED, "the session belongs to another user");
    return;
  }
  if (reply.status === AttachStatus.QUOTA) {
    refuse(session, ReasonCode.QUOTA_EXCEEDED, "there is no room for another stored session");
    return;
  }
  if (reply.status === AttachStatus.UNAVAILABLE) {
    refuse(session, ReasonCode.SERVER_UNAVAILABLE, "the session's store is not available");
    return;
  }
  session.isPersistent = reply.status === AttachStatus.ATTACHED;
  session.incarnation = reply.incarnation;
  session.loadAtAttach = reply.load;
  if (session.isPersistent) restore(session, reply);
  activate(session, packet, auth, reply);
}

/** What the stored session remembers [MQTT-3.1.2-5]. */
function restore(session: Session, reply: AttachReply): void {
  const { inboundPacketIds, isAfterRestart } = reply;
  if (inboundPacketIds.length > 0) {
    session.inboundIds = new Set(inboundPacketIds);
    session.inboundOrigins = new InboundOrigins(session, inboundPacketIds, isAfterRestart);
  }
  for (const { filter, options } of reply.subscriptions) {
    const share = splitShareFilter(filter);
    session.subscriptions ??= new SubscriptionMap();
    session.subscriptions.add(
      new Subscription(session, filter, share?.filter ?? filter, share, options),
    );
    countSubscriptions(session, 1, share === null ? 0 : 1);
  }
}

function activate(
  session: Session,
  packet: ConnectPacket,
  auth: AuthSuccess,
  { sessionPresent, drops, replays }: AttachReply,
): void {
  const { context, tenant } = session;
  sendConnack(session, packet, auth, sessionPresent);
  session.phase = Phase.ACTIVE;
  updateResends(session);
  if (session.authMethod === "") session.authRequest = null;
  context.counters[Counter.CONNECTS]! += 1;
  context.counters[Counter.SESSIONS_CONNECTED]! += 1;
  if (tenant !== null) {
    tenant.counters.clientsConnected += 1;
    if (session.isPersistent) tenant.counters.storedConnected += 1;
    tenant.counters.connections += 1;
  }
  scheduleNextDeadline(session);
  const missed = drops.reduce((sum, { count }) => sum + count, 0);
  logConnected(session, sessionPresent, missed);
  if (session.isPersistent) {
    recheckSubscriptions(session);
    if (replays.length > 0) {
      // Its packets wait: what a SUBSCRIBE asks for comes behind what is owed.
      void resumeReplays(session, replays).then(() => session.resume(PauseReason.ANSWER));
      return;
    }
  }
  session.resume(PauseReason.ANSWER);
}

/** [MQTT-3.1.4-5] [MQTT-3.2.0-1] [MQTT-3.2.0-2] */
function sendConnack(
  session: Session,
  packet: ConnectPacket,
  auth: AuthSuccess,
  sessionPresent: boolean,
): void {
  const settings = session.tenant?.settings;
  if (settings === undefined) return;
  const { limits } = session.context.config;
  const keepAliveSeconds = session.keepAliveMs / 1000;
  const wantedExpiry = packet.sessionExpirySeconds;
  sendCold(session, {
    type: "connack",
    sessionPresent, // [MQTT-3.2.2-1] [MQTT-3.2.2-2] [MQTT-3.2.2-3]
    reasonCode: ReasonCode.SUCCESS,
    userProperties: auth.userProperties ?? [],
    assignedClientIdentifier: packet.clientId === "" ? session.clientId : null, // [MQTT-3.1.3-7]
    serverKeepAlive: keepAliveSeconds === packet.keepAliveSeconds ? null : keepAliveSeconds,
    sessionExpirySeconds:
      session.sessionExpirySeconds === wantedExpiry ? null : session.sessionExpirySeconds,
    receiveMaximum: session.inboundReceiveMaximum,
    maximumQos: settings.MaximumQoS < 2 ? settings.MaximumQoS : null, // [MQTT-3.2.2-9]
    retainAvailable: settings.RetainEnabled ? null : false,
    maximumPacketSize: limits.maxPacketSize,
    topicAliasMaximum: session.inboundAliasMaximum,
    wildcardAvailable: settings.WildcardSubscriptionEnabled ? null : false,
    subscriptionIdentifiersAvailable: settings.SubscriptionIdentifierEnabled ? null : false,
    sharedAvailable: settings.SharedSubscriptionEnabled ? null : false,
    // [MQTT-3.1.2-28]
    responseInformation: packet.requestResponseInformation
      ? (auth.responseInformation ?? null)
      : null,
    authenticationMethod: session.authMethod === "" ? null : session.authMethod,
    authenticationData: auth.authData ?? null,
  });
}
