import { describe, expect, it } from "vitest";
import { contrast, parseAnsi, plainText, type Rgb, readable, WELL } from "./ansi";

const pieces = (line: string) => parseAnsi(line).pieces.map(({ text, look }) => [text, look]);

describe("colours of a log", () => {
  it("are those of SGR, and end with reset", () => {
    expect(pieces("a\x1b[31mred\x1b[1;32mbold green\x1b[0mplain")).toEqual([
      ["a", ""],
      ["red", "ink-red"],
      ["bold green", "bold ink-green"],
      ["plain", ""],
    ]);
  });

  it("know bright ones, and each attribute's end", () => {
    expect(pieces("\x1b[94mb\x1b[39m\x1b[3;4mx\x1b[23my\x1b[24mz")).toEqual([
      ["b", "ink-blue"],
      ["x", "italic underline"],
      ["y", "underline"],
      ["z", ""],
    ]);
    expect(pieces("\x1b[m\x1b[2mdim\x1b[22m.")).toEqual([
      ["dim", "dim"],
      [".", ""],
    ]);
  });

  it("read 256 and true colours, and what comes after them", () => {
    expect(parseAnsi("\x1b[38;5;196;1mx").pieces[0]?.look).toBe("bold");
    expect(parseAnsi("\x1b[38;2;255;255;255mx", "light").pieces[0]?.color).not.toBe("rgb(255 255 255)");
    expect(parseAnsi("\x1b[38;2;255;255;255mx", "dark").pieces[0]?.color).toBe("rgb(255 255 255)");
    expect(pieces("\x1b[38;5;1mx")).toEqual([["x", "ink-red"]]);
    expect(pieces("\x1b[41mx\x1b[7;49;32my")).toEqual([
      ["x", "grounded on-red"],
      ["y", "grounded on-green"],
    ]);
  });

  it("can be read on both grounds, whatever a program asks for", () => {
    for (const theme of ["light", "dark"] as const) {
      for (let i = 0; i < 512; i++) {
        const color: Rgb = [(i & 7) * 36, ((i >> 3) & 7) * 36, (i >> 6) * 36];
        expect(contrast(readable(color, WELL[theme]), WELL[theme])).toBeGreaterThanOrEqual(4.5);
      }
    }
  });

  it("are all that is taken from escapes: the others are dropped, and never become text", () => {
    const nasty =
      "\x1b]0;title\x07a\x1b[2J\x1b[10;5Hb\x1b]8;;http://evil/\x1b\\c\x1b]8;;\x1b\\\x1b(0d\x07\x08\x1b[?25l\x9b";
    expect(plainText(nasty)).toBe("abcd");
    expect(
      parseAnsi(nasty)
        .pieces.map((p) => p.text)
        .join(""),
    ).toBe("abcd");
    expect(plainText("open \x1b]0;never closed")).toBe("open ");
    expect(plainText("end\x1b")).toBe("end");
    expect(pieces("\x1b[>4mx\x1b[?1mx")).toEqual([
      ["x", ""],
      ["x", ""],
    ]);
  });
});

describe("a line", () => {
  it("is text, whatever it looks like", () => {
    expect(pieces("<b>&amp;</b>")).toEqual([["<b>&amp;</b>", ""]]);
  });

  it("has links only for http and https, without what ends a sentence", () => {
    const found = parseAnsi("see https://x.example/a?b=1, javascript:alert(1) (http://y).").pieces;
    expect(found.filter((p) => p.href).map((p) => p.href)).toEqual(["https://x.example/a?b=1", "http://y"]);
  });

  it("of any length is drawn to 2,000 characters, and says how many follow", () => {
    const { pieces: drawn, more } = parseAnsi(`\x1b[31m${"x".repeat(1500)}\x1b[0m${"y".repeat(1000)}`);
    expect(drawn.map((p) => p.text.length)).toEqual([1500, 500]);
    expect(more).toBe(500);
  });
});
