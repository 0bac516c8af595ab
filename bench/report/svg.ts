/**
 * A small SVG writer: shapes in, text out. Coordinates are pixels, rounded to tenths so that files
 * stay readable.
 */

const FONT = "ui-sans-serif, system-ui, Helvetica, Arial, sans-serif";

export interface TextStyle {
  readonly anchor?: "start" | "middle" | "end";
  readonly size?: number;
  readonly color?: string;
  readonly isBold?: boolean;
}

export class SvgCanvas {
  readonly #width: number;
  readonly #height: number;
  readonly #parts: string[] = [];

  /** A white sheet: charts are read on light and on dark pages. */
  constructor(width: number, height: number) {
    this.#width = width;
    this.#height = height;
    this.rectangle({ x: 0, y: 0, width, height }, "#ffffff");
  }

  rectangle(
    box: { x: number; y: number; width: number; height: number },
    color: string,
    title = "",
  ): void {
    const { x, y, width, height } = box;
    const size = `width="${round(width)}" height="${round(height)}"`;
    const hint = title === "" ? "/>" : `><title>${escapeText(title)}</title></rect>`;
    this.#parts.push(`<rect x="${round(x)}" y="${round(y)}" ${size} fill="${color}"${hint}`);
  }

  line(from: readonly [number, number], to: readonly [number, number], color: string): void {
    const [x1, y1] = from.map(round);
    const [x2, y2] = to.map(round);
    this.#parts.push(`<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${color}"/>`);
  }

  /** A line through points. */
  path(points: readonly (readonly [number, number])[], color: string): void {
    const steps = points.map(
      ([x, y], index) => `${index === 0 ? "M" : "L"}${round(x)} ${round(y)}`,
    );
    const stroke = `stroke="${color}" stroke-width="2" stroke-linejoin="round"`;
    this.#parts.push(`<path d="${steps.join(" ")}" fill="none" ${stroke}/>`);
  }

  text(at: readonly [number, number], content: string, style: TextStyle = {}): void {
    const { anchor = "start", size = 12, color = "#374151", isBold = false } = style;
    const weight = isBold ? ' font-weight="600"' : "";
    const place = `x="${round(at[0])}" y="${round(at[1])}" text-anchor="${anchor}"`;
    this.#parts.push(
      `<text ${place} font-size="${size}" fill="${color}"${weight}>${escapeText(content)}</text>`,
    );
  }

  toString(): string {
    const size = `width="${this.#width}" height="${this.#height}"`;
    const view = `viewBox="0 0 ${this.#width} ${this.#height}"`;
    const head = `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${view} font-family="${FONT}">`;
    return `${head}\n${this.#parts.join("\n")}\n</svg>\n`;
  }
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
