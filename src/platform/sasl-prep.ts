/**
 * SASLprep (RFC 4013): brings user names and passwords of SCRAM into one form, so that the same
 * text typed on two systems gives the same bytes. Left out are its rules for right-to-left text and
 * unassigned code points: those only refuse more, and every client prepares its own side.
 */

/** Code points that are removed (RFC 3454 table B.1). */
const MAPPED_TO_NOTHING =
  /[\u00AD\u1806\u200B-\u200D\u2060\uFEFF]|\u034F|[\u180B-\u180D]|[\uFE00-\uFE0F]/gu;

/** Blanks other than U+0020 (table C.1.2). */
const OTHER_SPACE = /[\u00A0\u1680\u2000-\u200A\u202F\u205F\u3000]/gu;

/**
 * Control and private characters, and what changes how text is shown (tables C.2 to C.9); rows of
 * the same kind.
 */
const PROHIBITED = new RegExp(
  [
    "[\\p{Cc}\\p{Co}\\p{Cs}\\p{Noncharacter_Code_Point}]",
    "[\\u06DD\\u070F\\u180E\\u2028\\u2029\\u2061-\\u2063\\uFFF9-\\uFFFD]",
    "[\\u200E\\u200F\\u202A-\\u202E\\u206A-\\u206F\\u2FF0-\\u2FFB]",
    "[\\u{E0001}\\u{E0020}-\\u{E007F}]",
  ].join("|"),
  "u",
);

/** Text in ASCII comes back unchanged. Null when a character is prohibited. */
export function saslPrep(text: string): string | null {
  const mapped = text.replace(OTHER_SPACE, " ").replace(MAPPED_TO_NOTHING, "").normalize("NFKC");
  return PROHIBITED.test(mapped) ? null : mapped;
}
