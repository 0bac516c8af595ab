/**
 * Who publishes where, who has subscribed to what, and which sequence numbers each subscriber
 * therefore hears: the arithmetic of the patterns in load-shape.ts. With it the generator knows of
 * every delivery whether it was due.
 *
 * Topics that vary from publish to publish end in decimal digits of fixed width, which the
 * publisher writes over.
 */

import type { LoadShape } from "./load-shape.ts";

/** Six digits: up to a million topics. */
export const TOPIC_DIGITS = 6;
/**
 * A SUBSCRIBE with more filters than this is split: brokers limit the packet, and memory for it.
 */
export const FILTERS_PER_SUBSCRIBE = 50;

/** Where a publisher writes to. */
export interface PublishRoute {
  readonly topic: string;
  /** Position in `topic` of TOPIC_DIGITS digits that vary; -1 = the topic is fixed. */
  readonly digitsAt: number;
  /**
   * Topics walked through, 1 where the topic is fixed; sequence s goes to (s + firstVariant) %
   * variants.
   */
  readonly variants: number;
  readonly firstVariant: number;
}

/**
 * What one subscriber hears: publishers firstPublisher, firstPublisher + publisherStep, ... Of each
 * of them every `stride`-th sequence number; 0 = any, but in order.
 */
export interface HeardRoute {
  readonly filters: readonly string[];
  readonly firstPublisher: number;
  readonly publisherStep: number;
  readonly publisherSlots: number;
  readonly stride: number;
  /** First sequence number heard of the publisher in `slot`. */
  firstSequence(slot: number): number;
}

export interface Routes {
  /** Connections that subscribe; "wildcard" has one more than asked for. */
  readonly subscribers: number;
  publishRoute(publisher: number): PublishRoute;
  heardRoute(subscriber: number): HeardRoute;
  /** Deliveries that each publish of this publisher causes. */
  receiversOf(publisher: number): number;
}

const FROM_ZERO = () => 0;

/** `prefix` keeps generator processes apart. */
export function routesOf(shape: LoadShape, prefix: string): Routes {
  switch (shape.pattern) {
    case "fan-out":
      return fixedRoutes(shape, () => `${prefix}/all`, [`${prefix}/all`]);
    case "fan-in":
      return fixedRoutes(shape, (index) => `${prefix}/in/${index}`, [`${prefix}/in/+`]);
    case "pairs":
      return pairRoutes(shape, prefix);
    case "shared":
      return sharedRoutes(shape, prefix);
    case "wildcard":
      return wildcardRoutes(shape, prefix);
  }
}

function fixedTopic(topic: string): PublishRoute {
  return { topic, digitsAt: -1, variants: 1, firstVariant: 0 };
}

/** Every subscriber hears everybody. */
function fixedRoutes(
  shape: LoadShape,
  topicOf: (publisher: number) => string,
  filters: readonly string[],
): Routes {
  const heard: HeardRoute = {
    filters,
    firstPublisher: 0,
    publisherStep: 1,
    publisherSlots: shape.publishers,
    stride: 1,
    firstSequence: FROM_ZERO,
  };
  return {
    subscribers: shape.subscribers,
    publishRoute: (publisher) => fixedTopic(topicOf(publisher)),
    heardRoute: () => heard,
    receiversOf: () => shape.subscribers,
  };
}

/**
 * Publisher i to topic i modulo the subscribers; a subscriber without a publisher hears nothing.
 */
function pairRoutes(shape: LoadShape, prefix: string): Routes {
  const { publishers, subscribers } = shape;
  return {
    subscribers,
    publishRoute: (publisher) => fixedTopic(`${prefix}/own/${publisher % subscribers}`),
    heardRoute: (subscriber) => ({
      filters: [`${prefix}/own/${subscriber}`],
      firstPublisher: subscriber,
      publisherStep: subscribers,
      publisherSlots: Math.max(0, Math.ceil((publishers - subscriber) / subscribers)),
      stride: 1,
      firstSequence: FROM_ZERO,
    }),
    receiversOf: () => 1,
  };
}

function sharedRoutes(shape: LoadShape, prefix: string): Routes {
  const all = fixedRoutes(shape, (index) => `${prefix}/job/${index}`, []);
  const heard = {
    ...all.heardRoute(0),
    filters: [`$share/bench/${prefix}/job/+`],
    stride: 0,
  };
  return { ...all, heardRoute: () => heard, receiversOf: () => 1 };
}

/**
 * `filters` is rounded down to a multiple of the subscribers: filter f belongs to subscriber f %
 * subscribers, so each hears every subscribers-th sequence number of a publisher that walks through
 * the topics.
 */
function wildcardRoutes(shape: LoadShape, prefix: string): Routes {
  const { publishers, subscribers } = shape;
  const variants = Math.max(1, Math.floor(shape.filters / subscribers)) * subscribers;
  const firstVariant = (publisher: number) => Math.floor((publisher * variants) / publishers);
  const beginning = `${prefix}/f/`;
  const filterOf = (index: number) => `${beginning}${String(index).padStart(TOPIC_DIGITS, "0")}/+`;
  const everything = fixedRoutes(shape, () => "", [`${prefix}/#`]).heardRoute(0);
  const own = (subscriber: number): HeardRoute => ({
    ...everything,
    filters: Array.from({ length: variants / subscribers }, (_none, turn) =>
      filterOf(subscriber + turn * subscribers),
    ),
    stride: subscribers,
    firstSequence: (publisher) =>
      (((subscriber - firstVariant(publisher)) % subscribers) + subscribers) % subscribers,
  });
  return {
    subscribers: subscribers + 1,
    publishRoute: (publisher) => ({
      topic: `${beginning}${"0".repeat(TOPIC_DIGITS)}/v`,
      digitsAt: beginning.length,
      variants,
      firstVariant: firstVariant(publisher),
    }),
    heardRoute: (subscriber) => (subscriber < subscribers ? own(subscriber) : everything),
    receiversOf: () => 2,
  };
}
