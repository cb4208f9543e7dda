import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { backoff, type SocketState, watchExecution } from "./socket";
import type { ErrorEvent, ExecutionEvent } from "./types";

/** A socket whose other end is the test. */
class FakeSocket {
  static all: FakeSocket[] = [];
  sent: Record<string, unknown>[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  constructor(
    readonly url: string,
    readonly protocol: string,
  ) {
    FakeSocket.all.push(this);
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }
  close(): void {
    this.onclose?.();
  }
  opens(): this {
    this.onopen?.();
    return this;
  }
  says(...events: unknown[]): this {
    this.onmessage?.({ data: JSON.stringify(events) });
    return this;
  }
}

const line = (seq: number) => ({
  type: "line",
  executionId: "exec-1",
  seq,
  stream: "stdout",
  text: `${seq}`,
});
const start = { type: "start" as const, executionId: "exec-1", command: "seq", args: ["3"] };

function watch(first: Parameters<typeof watchExecution>[1]) {
  const seen: ExecutionEvent[] = [];
  const states: SocketState["kind"][] = [];
  const refused: ErrorEvent[] = [];
  const watched = watchExecution("exec-1", first, {
    events: (events) => seen.push(...events),
    refused: (error) => refused.push(error),
    state: (state) => states.push(state.kind),
  });
  return { seen, states, refused, watched, seqs: () => seen.map((e) => (e.type === "gap" ? -1 : e.seq)) };
}

const last = () => FakeSocket.all[FakeSocket.all.length - 1] as FakeSocket;

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.all = [];
  vi.stubGlobal("WebSocket", FakeSocket);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("a socket to an execution", () => {
  it("goes to the host of the page, and offers batches", () => {
    watch({ start });
    expect(last().url).toBe("ws://localhost:3000/api/execution/stream");
    expect(last().protocol).toBe("moonsail.batch.v1");
    expect(last().opens().sent).toEqual([start]);
  });

  it("resumes after the last seq that was seen", () => {
    const w = watch({ start });
    last().opens().says(line(1), line(2)).says(line(3)).close();
    expect(w.states).toEqual(["live", "waiting"]);
    vi.advanceTimersByTime(500);
    expect(last().opens().sent).toEqual([{ type: "attach", executionId: "exec-1", afterSeq: 3 }]);
    last().says(line(4));
    expect(w.seqs()).toEqual([1, 2, 3, 4]);
  });

  it("resumes behind a gap, not within it", () => {
    watch({ afterSeq: 0 });
    last().opens().says({ type: "gap", fromSeq: 1, toSeq: 80 }).close();
    vi.advanceTimersByTime(500);
    expect(last().opens().sent).toEqual([{ type: "attach", executionId: "exec-1", afterSeq: 80 }]);
  });

  it("waits twice as long after each failure, and at most 15 s", () => {
    expect([0, 1, 2, 3, 4, 5, 6].map(backoff)).toEqual([500, 1000, 2000, 4000, 8000, 15000, 15000]);
    watch({ afterSeq: 0 });
    last().close();
    vi.advanceTimersByTime(500);
    last().close();
    vi.advanceTimersByTime(999);
    expect(FakeSocket.all.length).toBe(2);
    vi.advanceTimersByTime(1);
    expect(FakeSocket.all.length).toBe(3);
    last().opens().says(line(1)).close();
    vi.advanceTimersByTime(500);
    expect(FakeSocket.all.length).toBe(4);
  });

  it("tries at once when it is told to hurry", () => {
    const w = watch({ afterSeq: 7 });
    last().close();
    w.watched.hurry();
    expect(FakeSocket.all.length).toBe(2);
    vi.advanceTimersByTime(60_000);
    expect(FakeSocket.all.length).toBe(2);
  });

  it("never starts twice: a start whose socket broke is asked for first", () => {
    const w = watch({ start });
    last().opens().close();
    vi.advanceTimersByTime(500);
    expect(last().opens().sent).toEqual([{ type: "attach", executionId: "exec-1", afterSeq: 0 }]);
    last().says({ type: "error", executionId: "exec-1", code: "not_found", error: "none" }).close();
    expect(w.refused).toEqual([]);
    vi.advanceTimersByTime(1000);
    expect(last().opens().sent).toEqual([start]);
  });

  it("sends the start once it has a socket, where the first one never opened", () => {
    watch({ start });
    last().close();
    vi.advanceTimersByTime(500);
    expect(last().opens().sent).toEqual([start]);
  });

  it("tells why it was refused, and does not come back", () => {
    const w = watch({ start });
    last().opens().says({ type: "error", executionId: "exec-1", code: "forbidden", error: "not you" });
    vi.advanceTimersByTime(60_000);
    expect(w.refused.map((e) => e.error)).toEqual(["not you"]);
    expect(FakeSocket.all.length).toBe(1);
  });

  it("ends with the last event", () => {
    const w = watch({ afterSeq: 0 });
    last().opens().says(line(1), { type: "complete", executionId: "exec-1", seq: 2 });
    vi.advanceTimersByTime(60_000);
    expect(w.states.at(-1)).toBe("ended");
    expect(FakeSocket.all.length).toBe(1);
  });
});
