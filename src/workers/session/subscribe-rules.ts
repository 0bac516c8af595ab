/**
 * What a tenant's settings say about one requested subscription, as pure functions; the filter's
 * syntax has been checked by the decoder. Thread: worker.
 */

import { ReasonCode } from "../../shared/mqtt/reason-code.ts";
import type { TenantSettings } from "../../shared/tenant/tenant-settings.ts";
import type { ShareFilter } from "../../shared/topic/share-filter.ts";
import { hasWildcard } from "../../shared/topic/topic-filter.ts";
import { checkTopicLimits, TopicLimit } from "../../shared/topic/topic-name.ts";

const encoder = new TextEncoder();

/** A SUBACK failure code, or 0. `filter` is without its share prefix. */
export function checkSubscription(
  filter: string,
  share: ShareFilter | null,
  settings: TenantSettings,
): number {
  if (share !== null && !settings.SharedSubscriptionEnabled) {
    return ReasonCode.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED;
  }
  if (!settings.WildcardSubscriptionEnabled && hasWildcard(filter)) {
    return ReasonCode.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED;
  }
  const bytes = encoder.encode(filter);
  const limit = checkTopicLimits(bytes, 0, bytes.length, settings);
  return limit === TopicLimit.OK ? 0 : ReasonCode.TOPIC_FILTER_INVALID;
}
