/**
 * X.509 certificates made at run time with nothing but node:crypto: a throw-away certificate
 * authority and the certificates it issues. Files in the repository would expire, and the openssl
 * program is not on every machine.
 *
 * Only what TLS tests need of DER is here: ECDSA P-256 with SHA-256, common name, subject
 * alternative names, and the extended key usages for servers and clients.
 */

import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";

export interface IssuedCertificate {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

export interface CertificateOptions {
  readonly commonName: string;
  /** DNS names and IPv4 addresses of a server. */
  readonly altNames?: readonly string[];
  readonly usage?: "server" | "client";
}

/** Built once per test file: generating a P-256 key takes under a millisecond. */
export class CertificateAuthority {
  /** PEM of the authority's own certificate. */
  readonly cert: string;
  readonly #commonName: string;
  readonly #privateKey: KeyObject;

  constructor(commonName = "Ratatosk test authority") {
    this.#commonName = commonName;
    const { privateKey, publicKey } = newKeyPair();
    this.#privateKey = privateKey;
    const constraints = extension(
      OID_BASIC_CONSTRAINTS,
      sequence(tlv(TAG_BOOLEAN, Buffer.of(0xff))),
    );
    this.cert = this.#signed(commonName, publicKey, [constraints]);
  }

  issue(options: CertificateOptions): IssuedCertificate {
    const { privateKey, publicKey } = newKeyPair();
    const usage = options.usage === "client" ? OID_CLIENT_AUTH : OID_SERVER_AUTH;
    const extensions = [extension(OID_EXTENDED_KEY_USAGE, sequence(oid(usage)))];
    const altNames = options.altNames ?? [];
    if (altNames.length > 0) {
      extensions.push(extension(OID_SUBJECT_ALT_NAME, sequence(...altNames.map(generalName))));
    }
    const cert = this.#signed(options.commonName, publicKey, extensions);
    return { cert, key: privateKey.export({ type: "pkcs8", format: "pem" }).toString() };
  }

  #signed(subject: string, publicKey: KeyObject, extensions: readonly Buffer[]): string {
    const body = sequence(
      tlv(TAG_CONTEXT_0, integer(Buffer.of(2))),
      integer(randomBytes(8)),
      SIGNATURE_ALGORITHM,
      distinguishedName(this.#commonName),
      sequence(time(-DAY_MS), time(DAY_MS)),
      distinguishedName(subject),
      publicKey.export({ type: "spki", format: "der" }),
      tlv(TAG_CONTEXT_3, sequence(...extensions)),
    );
    const signature = sign("sha256", body, this.#privateKey);
    const certificate = sequence(body, SIGNATURE_ALGORITHM, bitString(signature));
    const lines = certificate.toString("base64").match(/.{1,64}/g) ?? [];
    return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
  }
}

const DAY_MS = 86_400_000;
const TAG_BOOLEAN = 0x01;
const TAG_INTEGER = 0x02;
const TAG_BIT_STRING = 0x03;
const TAG_OCTET_STRING = 0x04;
const TAG_OID = 0x06;
const TAG_UTF8_STRING = 0x0c;
const TAG_UTC_TIME = 0x17;
const TAG_SEQUENCE = 0x30;
const TAG_SET = 0x31;
const TAG_DNS_NAME = 0x82;
const TAG_IP_ADDRESS = 0x87;
const TAG_CONTEXT_0 = 0xa0;
const TAG_CONTEXT_3 = 0xa3;

// Object identifiers, already in DER form (RFC 5280 §4.2, RFC 5758 §3.2).
const OID_COMMON_NAME = "550403";
const OID_BASIC_CONSTRAINTS = "551d13";
const OID_SUBJECT_ALT_NAME = "551d11";
const OID_EXTENDED_KEY_USAGE = "551d25";
const OID_SERVER_AUTH = "2b06010505070301";
const OID_CLIENT_AUTH = "2b06010505070302";
const OID_ECDSA_SHA256 = "2a8648ce3d040302";

const SIGNATURE_ALGORITHM = sequence(oid(OID_ECDSA_SHA256));

function newKeyPair(): { privateKey: KeyObject; publicKey: KeyObject } {
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}

function tlv(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(tag), derLength(content.length), content]);
}

/** DER length: one byte below 128, else a count byte and big-endian bytes. */
function derLength(length: number): Buffer {
  if (length < 0x80) return Buffer.of(length);
  if (length < 0x100) return Buffer.of(0x81, length);
  return Buffer.of(0x82, length >> 8, length & 0xff);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tlv(TAG_SEQUENCE, ...parts);
}

function oid(hex: string): Buffer {
  return tlv(TAG_OID, Buffer.from(hex, "hex"));
}

/**
 * A positive integer in its shortest form: a leading zero byte only where the sign bit would be
 * set.
 */
function integer(bytes: Buffer): Buffer {
  const shortest = stripLeadingZeros(bytes);
  const isNegative = (shortest[0] ?? 0) >= 0x80;
  return tlv(TAG_INTEGER, isNegative ? Buffer.of(0) : Buffer.alloc(0), shortest);
}

function stripLeadingZeros(bytes: Buffer): Buffer {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
  return bytes.subarray(start);
}

function bitString(bytes: Buffer): Buffer {
  return tlv(TAG_BIT_STRING, Buffer.of(0), bytes);
}

function distinguishedName(commonName: string): Buffer {
  const value = tlv(TAG_UTF8_STRING, Buffer.from(commonName, "utf8"));
  return sequence(tlv(TAG_SET, sequence(oid(OID_COMMON_NAME), value)));
}

/** UTCTime `YYMMDDHHMMSSZ`, relative to now. */
function time(offsetMs: number): Buffer {
  const text = new Date(Date.now() + offsetMs).toISOString().replace(/[-:T]|\.\d+/g, "");
  return tlv(TAG_UTC_TIME, Buffer.from(text.slice(2), "ascii"));
}

function generalName(name: string): Buffer {
  if (/^\d+\.\d+\.\d+\.\d+$/.test(name)) {
    return tlv(TAG_IP_ADDRESS, Buffer.from(name.split(".").map(Number)));
  }
  return tlv(TAG_DNS_NAME, Buffer.from(name, "ascii"));
}

function extension(id: string, value: Buffer): Buffer {
  return sequence(oid(id), tlv(TAG_OCTET_STRING, value));
}
