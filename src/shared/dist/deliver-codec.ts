/**
 * A publish as it travels from the publisher's worker to a subscriber's worker (records DELIVER and
 * DELIVER_SHARED).
 *
 *     0  qos u8 | retain u8 | tenant length u16
 *     4  expiry seconds i32 (-1 = never)
 *     8  received at, wall-clock ms f64
 *     16 publisher length u16 | topic length u16
 *     20 forwarded properties length u32
 *     24 payload length u32
 *     28 member slot u32          DELIVER_SHARED only, else 0
 *     32 member generation u32    DELIVER_SHARED only, else 0
 *     36 tenant | publisher | topic | properties | payload        UTF-8 and raw bytes
 *
 * Little endian, unaligned. Expiry fits 31 bits: longer ones (over 68 years) travel as "never".
 */

export const DELIVER_HEADER_SIZE = 36;

const OFFSET_QOS = 0;
const OFFSET_RETAIN = 1;
const OFFSET_TENANT_LENGTH = 2;
const OFFSET_EXPIRY = 4;
const OFFSET_RECEIVED_AT = 8;
const OFFSET_PUBLISHER_LENGTH = 16;
const OFFSET_TOPIC_LENGTH = 18;
const OFFSET_FORWARD_LENGTH = 20;
const OFFSET_PAYLOAD_LENGTH = 24;
const OFFSET_SLOT = 28;
const OFFSET_GENERATION = 32;
const EXPIRY_MAX = 0x7fff_ffff;

/**
 * The fields before the bytes. One reused object per direction; every field is written before it is
 * read.
 */
export class DeliverHeader {
  qos = 0;
  retain = false;
  expirySeconds = -1;
  receivedAtMs = 0;
  tenantLength = 0;
  publisherLength = 0;
  topicLength = 0;
  forwardLength = 0;
  payloadLength = 0;
  slot = 0;
  generation = 0;

  get recordSize(): number {
    return (
      DELIVER_HEADER_SIZE +
      this.tenantLength +
      this.publisherLength +
      this.topicLength +
      this.forwardLength +
      this.payloadLength
    );
  }

  write(view: DataView, offset: number): void {
    view.setUint8(offset + OFFSET_QOS, this.qos);
    view.setUint8(offset + OFFSET_RETAIN, this.retain ? 1 : 0);
    view.setUint16(offset + OFFSET_TENANT_LENGTH, this.tenantLength, true);
    const expiry = this.expirySeconds > EXPIRY_MAX ? -1 : this.expirySeconds;
    view.setInt32(offset + OFFSET_EXPIRY, expiry, true);
    view.setFloat64(offset + OFFSET_RECEIVED_AT, this.receivedAtMs, true);
    view.setUint16(offset + OFFSET_PUBLISHER_LENGTH, this.publisherLength, true);
    view.setUint16(offset + OFFSET_TOPIC_LENGTH, this.topicLength, true);
    view.setUint32(offset + OFFSET_FORWARD_LENGTH, this.forwardLength, true);
    view.setUint32(offset + OFFSET_PAYLOAD_LENGTH, this.payloadLength, true);
    view.setUint32(offset + OFFSET_SLOT, this.slot, true);
    view.setUint32(offset + OFFSET_GENERATION, this.generation, true);
  }

  read(view: DataView, offset: number): void {
    this.qos = view.getUint8(offset + OFFSET_QOS);
    this.retain = view.getUint8(offset + OFFSET_RETAIN) === 1;
    this.tenantLength = view.getUint16(offset + OFFSET_TENANT_LENGTH, true);
    this.expirySeconds = view.getInt32(offset + OFFSET_EXPIRY, true);
    this.receivedAtMs = view.getFloat64(offset + OFFSET_RECEIVED_AT, true);
    this.publisherLength = view.getUint16(offset + OFFSET_PUBLISHER_LENGTH, true);
    this.topicLength = view.getUint16(offset + OFFSET_TOPIC_LENGTH, true);
    this.forwardLength = view.getUint32(offset + OFFSET_FORWARD_LENGTH, true);
    this.payloadLength = view.getUint32(offset + OFFSET_PAYLOAD_LENGTH, true);
    this.slot = view.getUint32(offset + OFFSET_SLOT, true);
    this.generation = view.getUint32(offset + OFFSET_GENERATION, true);
  }
}
