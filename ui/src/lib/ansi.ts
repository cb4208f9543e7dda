/**
 * A line of a log as pieces with a look. Of the escapes only SGR is read, everything else is
 * dropped; a colour ends with its line. Nothing here makes HTML: a piece is a text.
 */
export interface Piece {
  text: string;
  /** Classes of log.css, "" for plain text. */
  look: string;
  /** A colour that no class has. */
  color?: string;
  background?: string;
  /** An address to open: http or https only. */
  href?: string;
}

export type Rgb = [number, number, number];

/** Of a line so many characters are drawn. */
export const DRAWN = 2000;

interface Style {
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  inverse: boolean;
  fg: number | Rgb | null;
  bg: number | Rgb | null;
}

const plainStyle = (): Style => ({
  bold: false,
  dim: false,
  italic: false,
  underline: false,
  inverse: false,
  fg: null,
  bg: null,
});

const NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

// CSI …, OSC … (to BEL or ST), other string escapes, two-byte escapes, and what is left of controls.
const ESCAPE =
  /\x1b\[([0-?]*)[ -/]*([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[PX^_][^\x1b]*(?:\x1b\\)?|\x1b[ -/]*[0-~]?|[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]/g;

export function plainText(text: string): string {
  return text.replace(ESCAPE, "");
}

function xterm(index: number): number | Rgb {
  if (index < 16) return index;
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return [grey, grey, grey];
  }
  const at = index - 16;
  const level = (n: number) => (n === 0 ? 0 : 55 + n * 40);
  return [level(Math.floor(at / 36)), level(Math.floor(at / 6) % 6), level(at % 6)];
}

/** Reads an extended colour after 38 or 48; returns it and how many numbers it took. */
function extended(codes: number[], at: number): [number | Rgb | null, number] {
  if (codes[at] === 5) return [xterm((codes[at + 1] ?? 0) & 255), 2];
  if (codes[at] === 2) {
    const rgb: Rgb = [(codes[at + 1] ?? 0) & 255, (codes[at + 2] ?? 0) & 255, (codes[at + 3] ?? 0) & 255];
    return [rgb, 4];
  }
  return [null, 1];
}

function applyCode(style: Style, code: number): void {
  if (code === 0) Object.assign(style, plainStyle());
  else if (code === 1) style.bold = true;
  else if (code === 2) style.dim = true;
  else if (code === 3) style.italic = true;
  else if (code === 4) style.underline = true;
  else if (code === 7) style.inverse = true;
  else if (code === 22) style.bold = style.dim = false;
  else if (code === 23) style.italic = false;
  else if (code === 24) style.underline = false;
  else if (code === 27) style.inverse = false;
  else if (code >= 30 && code <= 37) style.fg = code - 30;
  else if (code === 39) style.fg = null;
  else if (code >= 40 && code <= 47) style.bg = code - 40;
  else if (code === 49) style.bg = null;
  else if (code >= 90 && code <= 97) style.fg = code - 82;
  else if (code >= 100 && code <= 107) style.bg = code - 92;
}

function applySgr(style: Style, parameters: string): void {
  if (!/^[0-9;:]*$/.test(parameters)) return;
  const codes = parameters.split(/[;:]/).map((code) => Number(code || 0));
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at] ?? 0;
    if (code === 38 || code === 48) {
      const [color, taken] = extended(codes, at + 1);
      if (code === 38) style.fg = color;
      else style.bg = color;
      at += taken;
    } else {
      applyCode(style, code);
    }
  }
}

function luminance([r, g, b]: Rgb): number {
  const part = (n: number) => {
    const c = n / 255;
    return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
}

export function contrast(a: Rgb, b: Rgb): number {
  const [x, y] = [luminance(a), luminance(b)];
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}

/** The colour, moved towards black or white until it can be read on the ground. */
export function readable(color: Rgb, ground: Rgb): Rgb {
  const target = luminance(ground) > 0.2 ? 0 : 255;
  let moved = color;
  for (let step = 1; step <= 20 && contrast(moved, ground) < 4.5; step++) {
    const part = step / 20;
    moved = color.map((c) => Math.round(c + (target - c) * part)) as Rgb;
  }
  return moved;
}

const css = (rgb: Rgb) => `rgb(${rgb.join(" ")})`;
export const WELL: Record<"light" | "dark", Rgb> = { light: [250, 251, 252], dark: [12, 16, 21] };

function dress(piece: Piece, style: Style, theme: "light" | "dark"): Piece {
  const looks: string[] = [];
  if (style.bold) looks.push("bold");
  if (style.dim) looks.push("dim");
  if (style.italic) looks.push("italic");
  if (style.underline) looks.push("underline");
  // A ground of its own takes the ink of the page: both of the palette's stay readable so.
  const ground = style.inverse ? (style.fg ?? 7) : style.bg;
  const ink = style.inverse ? style.bg : style.fg;
  if (ground !== null) {
    looks.push("grounded");
    if (typeof ground === "number") looks.push(`on-${NAMES[ground % 8]}`);
    else {
      piece.background = css(ground);
      piece.color = css(readable(theme === "light" ? [23, 28, 36] : [228, 233, 239], ground));
      if (contrast(ground, [0, 0, 0]) > 7) piece.color = "rgb(0 0 0)";
    }
  } else if (typeof ink === "number") {
    if (ink !== 0 && ink !== 7 && ink !== 15) looks.push(`ink-${NAMES[ink % 8]}`);
  } else if (ink) {
    piece.color = css(readable(ink, WELL[theme]));
  }
  piece.look = looks.join(" ");
  return piece;
}

const ADDRESS = /https?:\/\/[^\s"'<>`\x1b]*[^\s"'<>`.,;:!?)\]}\x1b]/g;

function pushText(out: Piece[], text: string, style: Style, theme: "light" | "dark"): void {
  let at = 0;
  for (const match of text.matchAll(ADDRESS)) {
    if (match.index > at) out.push(dress({ text: text.slice(at, match.index), look: "" }, style, theme));
    out.push(dress({ text: match[0], look: "", href: match[0] }, style, theme));
    at = match.index + match[0].length;
  }
  if (at < text.length) out.push(dress({ text: text.slice(at), look: "" }, style, theme));
}

/** The line's pieces, and how many characters of it are not drawn. */
export function parseAnsi(
  line: string,
  theme: "light" | "dark" = "light",
): { pieces: Piece[]; more: number } {
  const pieces: Piece[] = [];
  const style = plainStyle();
  let left = DRAWN;
  let at = 0;
  const push = (text: string) => {
    const drawn = text.slice(0, left);
    left -= drawn.length;
    if (drawn) pushText(pieces, drawn, style, theme);
    return text.length - drawn.length;
  };
  let more = 0;
  for (const match of line.matchAll(ESCAPE)) {
    if (match.index > at) more += push(line.slice(at, match.index));
    at = match.index + match[0].length;
    if (match[2] === "m") applySgr(style, match[1] ?? "");
  }
  if (at < line.length) more += push(line.slice(at));
  return { pieces, more };
}
