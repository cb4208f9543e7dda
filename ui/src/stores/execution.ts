/**
 * One execution as the panel knows it, and what an event makes of it. Pure: the store hands a
 * draft and a log, so the rules can be tested without a socket or a page.
 */
import type { LogBuffer } from "../lib/logbuffer";
import type {
  CompleteEvent,
  ExecutionEvent,
  ExecutionMode,
  ExecutionRecord,
  ExecutionSummary,
  LineEvent,
  Outcome,
  PhaseEvent,
  StateEvent,
  WireStatus,
} from "../net/types";

export interface Phase {
  name: string;
  detail: string;
  progress: number;
  total: number;
  startedAt: number;
  endedAt: number | null;
}

export interface DocumentRow {
  ref: string;
  line: number;
  namespace: string;
  /** Of the wire, or `waiting` and `applying` while it runs. */
  outcome: string;
  message: string;
}

export interface Execution {
  id: string;
  label: string;
  mode: ExecutionMode;
  sourceLabel: string;
  status: WireStatus;
  outcome: Outcome | "";
  user: string;
  context: string;
  namespace: string;
  startedAt: number;
  completedAt: number | null;
  phases: Phase[];
  documents: DocumentRow[];
  documentsOmitted: number;
  summary: ExecutionSummary | null;
  error: string;
  code: string;
  lastSeq: number;
  lastHeard: number;
  /** Of the log, which itself is no part of the store. */
  rows: number;
  lines: number;
  stderr: number;
  /** The host ended it before it began, or no longer has it. */
  refused: { code: string; error: string } | null;
  link: "live" | "waiting" | "ended";
  retryAt: number;
  cancelling: boolean;
  cancelError: string;
  reattachedAt: number | null;
  retryOf: string;
}

export function newExecution(id: string, known: Partial<Execution> = {}): Execution {
  return {
    id,
    label: id,
    mode: "apply",
    sourceLabel: "",
    status: "planned",
    outcome: "",
    user: "",
    context: "",
    namespace: "",
    startedAt: Date.now(),
    completedAt: null,
    phases: [],
    documents: [],
    documentsOmitted: 0,
    summary: null,
    error: "",
    code: "",
    lastSeq: 0,
    lastHeard: 0,
    rows: 0,
    lines: 0,
    stderr: 0,
    refused: null,
    link: "live",
    retryAt: 0,
    cancelling: false,
    cancelError: "",
    reattachedAt: null,
    retryOf: "",
    ...known,
  };
}

export function fromRecord(record: ExecutionRecord): Execution {
  return newExecution(record.executionId, {
    label: record.label || record.executionId,
    mode: record.mode,
    sourceLabel: record.sourceLabel,
    status: record.status,
    outcome: record.outcome,
    user: record.user,
    context: record.context,
    namespace: record.namespace,
    startedAt: Date.parse(record.startedAt),
    completedAt: record.summary ? Date.parse(record.summary.completedAt) : null,
    summary: record.summary ?? null,
    error: record.error,
  });
}

export const hasEnded = (e: Execution): boolean =>
  e.status === "succeeded" || e.status === "failed" || e.refused !== null;

/** What the status is called: the wire's word, but an end that was no failure by its own name. */
export type Shown = WireStatus | "cancelled" | "interrupted" | "gone";
export function shownStatus(e: Pick<Execution, "status" | "outcome"> & { refused?: unknown }): Shown {
  if (e.refused) return e.status === "planned" ? "failed" : "gone";
  if (e.status === "failed" && (e.outcome === "cancelled" || e.outcome === "interrupted")) return e.outcome;
  return e.status;
}

/** A command has no documents; the log takes all. */
export const isShell = (e: Execution): boolean => e.sourceLabel === "shell";

function takeState(e: Execution, event: StateEvent): void {
  if (e.lastSeq === 0) e.startedAt = Date.parse(event.timestamp);
  e.status = event.status;
  if (event.label) e.label = event.label;
}

/** Where each document's row is: thousands of them are not searched for every line. */
const places = new WeakMap<LogBuffer, Map<string, number>>();

function rowOf(e: Execution, log: LogBuffer, ref: string): DocumentRow | undefined {
  const known = places.get(log) ?? new Map<string, number>();
  places.set(log, known);
  for (let i = known.size; i < e.documents.length && known.get(ref) === undefined; i++) {
    const named = e.documents[i]?.ref ?? "";
    // The second of the same name stands for itself, so that the size stays the place.
    known.set(known.has(named) ? `${named} #${i}` : named, i);
  }
  return e.documents[known.get(ref) ?? -1];
}

function takePhase(e: Execution, log: LogBuffer, event: PhaseEvent): void {
  const time = Date.parse(event.timestamp);
  const current = e.phases[e.phases.length - 1];
  const { name, detail, progress, total } = event;
  if (current?.name === name) {
    Object.assign(current, { detail, progress, total });
  } else {
    if (current && current.endedAt === null) current.endedAt = time;
    e.phases.push({ name, detail, progress, total, startedAt: time, endedAt: null });
    log.append("phase", event.seq, time, name);
  }
  if (isShell(e) || !detail.includes("/") || !total) return;
  const row = rowOf(e, log, detail);
  if (!row) e.documents.push({ ref: detail, line: 0, namespace: "", outcome: "applying", message: "" });
  else if (row.outcome === "waiting") row.outcome = "applying";
}

const SAID =
  /^(\S+) (?:validated \(dry-run, no changes persisted\): (?:would be )?)?(created|configured|unchanged|deleted|failed)(?:: (.*))?$/;

/** While it runs a document's outcome is read off its line; the end brings the real rows. */
function readOutcome(e: Execution, log: LogBuffer, text: string): void {
  const match = SAID.exec(text);
  const row = match?.[1] && rowOf(e, log, match[1]);
  if (!row || !match?.[2]) return;
  row.outcome = match[2];
  row.message = match[2] === "failed" ? (match[3] ?? "") : "";
}

function takeLine(e: Execution, log: LogBuffer, event: LineEvent): void {
  log.append(event.stream, event.seq, Date.parse(event.timestamp), event.text);
  if (e.documents.length) readOutcome(e, log, event.text);
}

function takeComplete(e: Execution, event: CompleteEvent): void {
  const time = Date.parse(event.timestamp);
  const current = e.phases[e.phases.length - 1];
  if (current && current.endedAt === null) current.endedAt = time;
  e.status = event.status;
  e.outcome = event.outcome;
  e.error = event.error;
  e.code = event.code ?? "";
  e.summary = event.summary;
  e.completedAt = Date.parse(event.summary.completedAt);
  e.startedAt = Date.parse(event.summary.startedAt);
  e.cancelling = false;
  if (event.summary.documents) {
    e.documents = event.summary.documents.map(({ ref, line, namespace, outcome, message }) => ({
      ref,
      line,
      namespace,
      outcome,
      message,
    }));
    e.documentsOmitted = event.summary.documentsOmitted ?? 0;
  }
}

/** Takes a batch in. What was seen already is passed over: a reconnect never doubles a line. */
export function applyEvents(e: Execution, log: LogBuffer, events: readonly ExecutionEvent[]): void {
  for (const event of events) {
    if (event.type === "gap") {
      if (event.toSeq <= e.lastSeq) continue;
      const from = Math.max(event.fromSeq, e.lastSeq + 1);
      log.append("gap", from, event.toSeq, "");
      e.lastSeq = event.toSeq;
      continue;
    }
    if (event.seq <= e.lastSeq) continue;
    // The host numbers without a hole; one here would be a lost batch, and is said.
    if (event.seq > e.lastSeq + 1) log.append("gap", e.lastSeq + 1, event.seq - 1, "");
    e.mode = event.mode;
    e.sourceLabel = event.sourceLabel;
    if (event.type === "state") takeState(e, event);
    else if (event.type === "phase") takePhase(e, log, event);
    else if (event.type === "line") takeLine(e, log, event);
    else takeComplete(e, event);
    e.lastSeq = event.seq;
    e.lastHeard = Date.parse(event.timestamp);
  }
  e.rows = log.end;
  e.lines = log.lines;
  e.stderr = log.stderr;
}
