import { describe, expect, it } from "vitest";
import { CHUNK, LogBuffer } from "./logbuffer";

function filled(rows: number, log = new LogBuffer()): LogBuffer {
  for (let i = 0; i < rows; i++)
    log.append(i % 10 === 0 ? "stderr" : "stdout", i + 1, 1000 + i, `row ${i} é`);
  return log;
}

describe("a log of many rows", () => {
  it("gives every row back as it came, over the borders of its chunks", () => {
    const log = filled(CHUNK * 2 + 5);
    for (const at of [0, 1, CHUNK - 1, CHUNK, CHUNK * 2 - 1, CHUNK * 2, CHUNK * 2 + 4]) {
      expect(log.row(at)).toEqual({
        kind: at % 10 === 0 ? "stderr" : "stdout",
        seq: at + 1,
        time: 1000 + at,
        text: `row ${at} é`,
      });
    }
    expect(log.row(CHUNK * 2 + 5)).toBeUndefined();
    expect([log.lines, log.stderr]).toEqual([CHUNK * 2 + 5, 206]);
  });

  it("stays within its memory: the oldest rows go, the others keep their place", () => {
    const log = new LogBuffer(1024 * 1024);
    for (let i = 0; i < 100_000; i++) log.append("stdout", i + 1, 0, "x".repeat(100));
    const held = log.end - log.dropped;
    expect(log.end).toBe(100_000);
    expect(held * 200).toBeLessThan(1024 * 1024);
    expect(log.row(log.dropped - 1)).toBeUndefined();
    expect(log.row(log.dropped)?.seq).toBe(log.dropped + 1);
    expect(log.row(log.end - 1)?.seq).toBe(100_000);
    expect(log.lines).toBe(100_000);
  });

  it("holds no more rows than a browser can draw", () => {
    const log = filled(CHUNK * 6, new LogBuffer(1e9, CHUNK * 3));
    expect(log.end - log.dropped).toBe(CHUNK * 3);
  });

  it("knows the phase that a row stands in, also when its heading is gone", () => {
    const log = new LogBuffer(1e9, CHUNK * 2);
    log.append("phase", 1, 0, "first");
    filled(10, log);
    log.append("phase", 20, 0, "second");
    expect(log.headingOf(0)).toBe(0);
    expect(log.headingOf(10)).toBe(0);
    expect(log.headingOf(11)).toBe(11);
    filled(CHUNK * 4, log);
    expect(log.headingOf(log.end - 1)).toBe(11);
  });

  it("is copied as plain text, without headings", () => {
    const log = new LogBuffer();
    log.append("phase", 1, 0, "first");
    log.append("stdout", 2, 0, "a");
    log.append("gap", 3, 9, "");
    log.append("stderr", 10, 0, "b");
    expect(log.text((t) => t.toUpperCase())).toBe("A\nB");
  });
});
