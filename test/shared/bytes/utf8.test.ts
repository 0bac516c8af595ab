/** The UTF-8 scan against the platform's own strict decoder. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  decodeUtf8,
  isValidUtf8,
  scanUtf8,
  UTF8_MALFORMED,
  UTF8_NUL,
  UTF8_WILDCARD,
} from "../../../src/shared/bytes/utf8.ts";

const encoder = new TextEncoder();
const strictDecoder = new TextDecoder("utf-8", { fatal: true });

function isWellFormed(content: Uint8Array): boolean {
  try {
    strictDecoder.decode(content);
    return true;
  } catch {
    return false;
  }
}

function scan(content: Uint8Array): number {
  return scanUtf8(content, 0, content.length);
}

test("UTF-8 scan: every code point is well-formed, surrogates are not [MQTT-1.5.4-1]", () => {
  const content = new Uint8Array(4);
  for (let codePoint = 1; codePoint <= 0x10_ffff; codePoint++) {
    if (codePoint >= 0xd800 && codePoint <= 0xdfff) continue;
    const { written } = encoder.encodeInto(String.fromCodePoint(codePoint), content);
    const isWildcard = codePoint === 0x23 || codePoint === 0x2b;
    const expected = isWildcard ? UTF8_WILDCARD : 0;
    if (scanUtf8(content, 0, written) !== expected) assert.fail(`U+${codePoint.toString(16)}`);
  }
  for (let surrogate = 0xd800; surrogate <= 0xdfff; surrogate++) {
    const tail = [0x80 | ((surrogate >> 6) & 0x3f), 0x80 | (surrogate & 0x3f)];
    assert.equal(scan(Uint8Array.from([0xed, ...tail])), UTF8_MALFORMED);
  }
});

test("UTF-8 scan: all sequences of up to three bytes agree with the platform's decoder", () => {
  for (let first = 0; first < 256; first++) {
    assert.equal(scan(Uint8Array.of(first)) >= 0, isWellFormed(Uint8Array.of(first)));
  }
  // Continuation bytes matter by their range only, so the edges of each range stand for the rest.
  const edges = [0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xed, 0xff];
  for (let first = 0x80; first < 256; first++) {
    for (const second of edges) {
      for (const third of edges) {
        for (const fourth of edges) {
          const content = Uint8Array.of(first, second, third, fourth);
          for (let size = 2; size <= 4; size++) {
            const part = content.subarray(0, size);
            if (scan(part) >= 0 !== isWellFormed(part)) assert.fail(String(part));
          }
        }
      }
    }
  }
});

test("UTF-8 scan: random bytes agree with the platform's decoder [property]", () => {
  const odd = fc.constantFrom(0, 0x23, 0x2b, 0x7f, 0x80, 0xbf, 0xc2, 0xe0, 0xed, 0xf0, 0xf4, 0xff);
  const byte = fc.oneof(fc.nat(255), odd, fc.integer({ min: 0x20, max: 0x7e }));
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 40 }), (list) => {
      const content = Uint8Array.from(list);
      const flags = scan(content);
      assert.equal(flags >= 0, isWellFormed(content));
      assert.equal(isValidUtf8(content, 0, content.length), flags >= 0);
      if (flags < 0) return;
      assert.equal((flags & UTF8_NUL) !== 0, list.includes(0));
      assert.equal((flags & UTF8_WILDCARD) !== 0, list.includes(0x23) || list.includes(0x2b));
    }),
    { numRuns: 2000 },
  );
});

test("UTF-8 scan: text cut inside a character is malformed wherever the cut falls", () => {
  const content = encoder.encode("ascii é ꙮ \u{1f600} end");
  for (let end = 0; end <= content.length; end++) {
    const part = content.subarray(0, end);
    assert.equal(scanUtf8(content, 0, end) >= 0, isWellFormed(part), `cut at ${end}`);
  }
});

test("UTF-8 scan: bytes outside the range are not looked at", () => {
  const content = Uint8Array.of(0xff, 0x61, 0x62, 0xff);
  assert.equal(scanUtf8(content, 1, 3), 0);
  assert.equal(scanUtf8(content, 1, 1), 0);
});

test("UTF-8 text: a byte order mark is kept [MQTT-1.5.4-3]", () => {
  const content = encoder.encode("\ufeffx");
  assert.equal(decodeUtf8(content, 0, content.length), "\ufeffx");
  assert.equal(decodeUtf8(content, 2, 2), "");
});
