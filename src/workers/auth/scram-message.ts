/**
 * The messages of a SCRAM exchange (RFC 5802 §7) as far as a server without channel binding needs
 * them:
 *
 *   client-first   n,,n=USER,r=NONCE               gs2 header, then "bare" part
 *   server-first   r=NONCE+MORE,s=SALT,i=ROUNDS
 *   client-final   c=biws,r=NONCE+MORE,p=PROOF     c = the gs2 header again, in base64
 *   server-final   v=SIGNATURE
 *
 * Parsing is total: whatever a client sends, the answer is a message or null.
 */

export interface ClientFirst {
  /** "n,," or "y,,", with an authorization identity between the commas if there is one. */
  readonly gs2Header: string;
  /** What follows the header; part of what both sides sign. */
  readonly bare: string;
  readonly username: string;
  /** Identity the client wants to act as; null when it names none. */
  readonly authorizationId: string | null;
  readonly nonce: string;
}

export interface ClientFinal {
  /** The gs2 header, decoded. */
  readonly channelBinding: string;
  readonly nonce: string;
  readonly proof: Uint8Array;
  /** Everything before the proof; part of what both sides sign. */
  readonly withoutProof: string;
}

/** Longest message looked at: a user name and a nonce of some hundred bytes each are plenty. */
const MAX_MESSAGE_BYTES = 2048;

/**
 * Flag n: no channel binding; y: the client could, but believes the server cannot, which is true.
 */
const CLIENT_FIRST =
  /^(([ny]),(?:a=([^,\0]+))?,)(n=([^,\0]+),r=([\x21-\x2b\x2d-\x7e]{1,256})(?:,[A-Za-z]=[^,\0]*)*)$/u;
const CLIENT_FINAL =
  /^(c=([A-Za-z0-9+/]+={0,2}),r=([\x21-\x2b\x2d-\x7e]+)(?:,[A-Za-z]=[^,\0]*)*),p=([A-Za-z0-9+/]+={0,2})$/u;

export function parseClientFirst(bytes: Uint8Array): ClientFirst | null {
  const match = CLIENT_FIRST.exec(decodeText(bytes));
  if (match === null) return null;
  const [, gs2Header = "", , authorization, bare = "", name = "", nonce = ""] = match;
  const username = decodeName(name);
  const authorizationId = authorization === undefined ? "" : decodeName(authorization);
  if (username === null || authorizationId === null) return null;
  return { gs2Header, bare, username, authorizationId: authorizationId || null, nonce };
}

export function parseClientFinal(bytes: Uint8Array): ClientFinal | null {
  const match = CLIENT_FINAL.exec(decodeText(bytes));
  if (match === null) return null;
  const [, withoutProof = "", binding = "", nonce = "", proof = ""] = match;
  const channelBinding = Buffer.from(binding, "base64").toString("utf8");
  return { channelBinding, nonce, proof: Buffer.from(proof, "base64"), withoutProof };
}

export function formatServerFirst(nonce: string, salt: Uint8Array, iterations: number): string {
  return `r=${nonce},s=${Buffer.from(salt).toString("base64")},i=${iterations}`;
}

export function formatServerFinal(signature: Uint8Array): Uint8Array {
  return Buffer.from(`v=${Buffer.from(signature).toString("base64")}`);
}

/** Empty, which no pattern accepts, for text that is too long or not UTF-8. */
function decodeText(bytes: Uint8Array): string {
  if (bytes.length > MAX_MESSAGE_BYTES) return "";
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return "";
  }
}

/** `=2C` is a comma and `=3D` an equals sign; any other use of `=` is an error (RFC 5802 §5.1). */
function decodeName(text: string): string | null {
  if (/=(?!2C|3D)/.test(text)) return null;
  return text.replaceAll("=2C", ",").replaceAll("=3D", "=");
}
