/** Tables for people. */

/** Rows as aligned columns, two spaces apart; the first row is the head. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    }
  }
  const lines = rows.map((row) => {
    return row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ");
  });
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}
