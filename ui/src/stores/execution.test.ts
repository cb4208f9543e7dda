import { describe, expect, it } from "vitest";
import { LogBuffer } from "../lib/logbuffer";
import type { ExecutionEvent } from "../net/types";
import { applyEvents, type Execution, hasEnded, newExecution, shownStatus } from "./execution";

const base = {
  executionId: "exec-1",
  timestamp: "2026-11-24T09:42:03.655Z",
  mode: "apply" as const,
  sourceLabel: "kubectl-equivalent",
};
const line = (seq: number, text = `line ${seq}`, stream: "stdout" | "stderr" = "stdout"): ExecutionEvent => ({
  ...base,
  type: "line",
  seq,
  stream,
  text,
});
const phase = (seq: number, name: string, detail = "", progress = 0, total = 0): ExecutionEvent => ({
  ...base,
  type: "phase",
  seq,
  name,
  detail,
  progress,
  total,
});
const state = (seq: number, status: "planned" | "running" | "succeeded" | "failed"): ExecutionEvent => ({
  ...base,
  type: "state",
  seq,
  status,
  label: "Apply",
});
const summary = {
  startedAt: "2026-11-24T09:42:00.000Z",
  completedAt: "2026-11-24T09:42:04.000Z",
  durationMs: 4000,
  exitCode: 0,
  resourcesChanged: { created: 1, configured: 0, unchanged: 0, deleted: 0 },
};
const complete = (
  seq: number,
  rest: Partial<Extract<ExecutionEvent, { type: "complete" }>> = {},
): ExecutionEvent => ({
  ...base,
  type: "complete",
  seq,
  status: "succeeded",
  outcome: "succeeded",
  error: "",
  summary,
  ...rest,
});

function world(): {
  e: Execution;
  log: LogBuffer;
  take: (...events: ExecutionEvent[]) => void;
  rows: () => string[];
} {
  const e = newExecution("exec-1");
  const log = new LogBuffer();
  return {
    e,
    log,
    take: (...events) => applyEvents(e, log, events),
    rows: () => Array.from({ length: log.end }, (_, i) => `${log.row(i)?.kind} ${log.row(i)?.seq}`),
  };
}

describe("what an execution says", () => {
  it("is shown in its order, whether it comes one by one or in batches", () => {
    const one = world();
    const many = world();
    const events = [
      state(1, "planned"),
      phase(2, "Validating manifest…"),
      state(3, "running"),
      line(4),
      line(5),
    ];
    for (const event of events) one.take(event);
    many.take(...events);
    expect(many.rows()).toEqual(["phase 2", "stdout 4", "stdout 5"]);
    expect(one.rows()).toEqual(many.rows());
    expect(one.e).toEqual(many.e);
    expect(many.e.status).toBe("running");
  });

  it("is never doubled: what came again after a reconnect is passed over", () => {
    const w = world();
    w.take(state(1, "running"), line(2), line(3));
    w.take(line(2), line(3), line(4));
    expect(w.rows()).toEqual(["stdout 2", "stdout 3", "stdout 4"]);
    expect(w.e.lines).toBe(3);
  });

  it("shows a gap where the host no longer keeps events, once", () => {
    const w = world();
    w.take(line(1), { type: "gap", fromSeq: 2, toSeq: 9 }, line(10));
    w.take({ type: "gap", fromSeq: 2, toSeq: 9 }, line(10));
    expect(w.rows()).toEqual(["stdout 1", "gap 2", "stdout 10"]);
    expect(w.log.row(1)?.time).toBe(9);
    expect(w.e.lines).toBe(2);
  });

  it("shows a hole that the host did not announce, too", () => {
    const w = world();
    w.take(line(1), line(5));
    expect(w.rows()).toEqual(["stdout 1", "gap 2", "stdout 5"]);
    expect(w.log.row(1)?.time).toBe(4);
  });

  it("counts what was written to stderr", () => {
    const w = world();
    w.take(line(1), line(2, "x", "stderr"), line(3, "y", "stderr"));
    expect([w.e.lines, w.e.stderr]).toEqual([3, 2]);
  });
});

describe("phases", () => {
  it("are one each, with their newest progress and how long they took", () => {
    const w = world();
    w.take(phase(1, "Validating manifest…"), phase(2, "Applying resources…", "configmap/a", 1, 2));
    w.take(phase(3, "Applying resources…", "configmap/b", 2, 2));
    expect(w.e.phases.map((p) => [p.name, p.progress, p.total, p.endedAt !== null])).toEqual([
      ["Validating manifest…", 0, 0, true],
      ["Applying resources…", 2, 2, false],
    ]);
    expect(w.rows()).toEqual(["phase 1", "phase 2"]);
  });
});

describe("documents", () => {
  it("are followed while it runs, and are the host's own at the end", () => {
    const w = world();
    w.take(phase(1, "Applying resources…", "configmap/a", 1, 3), line(2, "configmap/a created"));
    w.take(
      phase(3, "Applying resources…", "secret/b", 2, 3),
      line(4, "secret/b failed: no right: none", "stderr"),
    );
    w.take(phase(5, "Applying resources…", "service/c", 3, 3));
    expect(w.e.documents.map((d) => [d.ref, d.outcome, d.message])).toEqual([
      ["configmap/a", "created", ""],
      ["secret/b", "failed", "no right: none"],
      ["service/c", "applying", ""],
    ]);
    const documents = [
      { index: 0, line: 1, ref: "configmap/a", namespace: "n", outcome: "unchanged", message: "" },
      { index: 1, line: 7, ref: "secret/b", namespace: "n", outcome: "in-doubt", message: "no answer" },
    ];
    w.take(complete(6, { status: "failed", outcome: "cancelled", summary: { ...summary, documents } }));
    expect(w.e.documents.map((d) => [d.ref, d.line, d.outcome])).toEqual([
      ["configmap/a", 1, "unchanged"],
      ["secret/b", 7, "in-doubt"],
    ]);
  });

  it("of a dry run are read off its lines as well", () => {
    const w = world();
    w.take(phase(1, "Applying resources…", "configmap/a", 1, 1));
    w.take(line(2, "configmap/a validated (dry-run, no changes persisted): would be configured"));
    expect(w.e.documents[0]?.outcome).toBe("configured");
  });
});

describe("the end", () => {
  it("has its counts, times and reason", () => {
    const w = world();
    w.take(state(1, "running"));
    w.e.cancelling = true;
    w.take(
      state(2, "failed"),
      complete(3, { status: "failed", outcome: "failed", error: "no memory limit" }),
    );
    expect(hasEnded(w.e)).toBe(true);
    expect(w.e.error).toBe("no memory limit");
    expect(w.e.summary?.resourcesChanged.created).toBe(1);
    expect((w.e.completedAt ?? 0) - w.e.startedAt).toBe(4000);
    expect(w.e.cancelling).toBe(false);
  });

  it("by a cancel or a lost host is called by its own name", () => {
    expect(shownStatus({ status: "failed", outcome: "cancelled" })).toBe("cancelled");
    expect(shownStatus({ status: "failed", outcome: "interrupted" })).toBe("interrupted");
    expect(shownStatus({ status: "failed", outcome: "failed" })).toBe("failed");
    expect(shownStatus({ status: "running", outcome: "", refused: { code: "not_found" } })).toBe("gone");
    expect(shownStatus({ status: "planned", outcome: "", refused: { code: "forbidden" } })).toBe("failed");
  });
});
