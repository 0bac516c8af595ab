/**
 * The properties of a message that subscribers get unchanged and in order: payload format, content
 * type, response topic, correlation data, user properties [MQTT-3.3.2-4] [MQTT-3.3.2-15]
 * [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18] [MQTT-3.3.2-20]. What is left out belongs to one
 * hop (topic alias), is counted down (message expiry), or is for this server only (will delay).
 *
 * Flow: publish 3/8. Thread: any. Allocates nothing.
 */

import { copyBytes } from "../bytes/copy-bytes.ts";
import { PropertyId } from "./property.ts";
import { propertySize } from "./property-block.ts";

function isForwarded(id: number): boolean {
  return (
    id !== PropertyId.TOPIC_ALIAS &&
    id !== PropertyId.MESSAGE_EXPIRY_INTERVAL &&
    id !== PropertyId.WILL_DELAY_INTERVAL
  );
}

/**
 * Copies the forwarded properties of source[start, end), a block that was decoded without fault, to
 * target[offset ...), neighbours together in one copy. Returns the bytes written.
 */
export function copyForwarded(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  offset: number,
): number {
  let written = 0;
  let runStart = start;
  let at = start;
  while (at < end) {
    const next = at + propertySize(source, at);
    if (!isForwarded(source[at]!)) {
      copyBytes(target, offset + written, source, runStart, at - runStart);
      written += at - runStart;
      runStart = next;
    }
    at = next;
  }
  copyBytes(target, offset + written, source, runStart, end - runStart);
  return written + end - runStart;
}
