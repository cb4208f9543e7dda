/** The wire's words. What a host may leave out is optional here. */
export type WireStatus = "planned" | "running" | "succeeded" | "failed";
export type ExecutionMode = "apply" | "dry-run";
export type Outcome = "succeeded" | "failed" | "cancelled" | "interrupted";

export interface ResourcesChanged {
  created: number;
  configured: number;
  unchanged: number;
  deleted: number;
}

export interface DocumentResult {
  index: number;
  line: number;
  ref: string;
  namespace: string;
  outcome: string;
  message: string;
}

export interface ExecutionSummary {
  startedAt: string;
  completedAt: string;
  durationMs: number;
  exitCode: number;
  signal?: number;
  resourcesChanged: ResourcesChanged;
  documents?: DocumentResult[];
  documentsOmitted?: number;
}

interface Numbered {
  executionId: string;
  seq: number;
  timestamp: string;
  mode: ExecutionMode;
  sourceLabel: string;
}

export interface StateEvent extends Numbered {
  type: "state";
  status: WireStatus;
  label: string;
}
export interface PhaseEvent extends Numbered {
  type: "phase";
  name: string;
  detail: string;
  progress: number;
  total: number;
}
export interface LineEvent extends Numbered {
  type: "line";
  stream: "stdout" | "stderr";
  text: string;
}
export interface CompleteEvent extends Numbered {
  type: "complete";
  status: "succeeded" | "failed";
  outcome: Outcome;
  error: string;
  code?: string;
  summary: ExecutionSummary;
}
export interface GapEvent {
  type: "gap";
  executionId?: string;
  fromSeq: number;
  toSeq: number;
}
export interface ErrorEvent {
  type: "error";
  executionId: string;
  code: string;
  error: string;
}

export type ExecutionEvent = StateEvent | PhaseEvent | LineEvent | CompleteEvent | GapEvent;
export type StreamEvent = ExecutionEvent | ErrorEvent;

export interface ExecutionRecord {
  executionId: string;
  status: WireStatus;
  startedAt: string;
  lastLineAt: string;
  summary?: ExecutionSummary;
  label: string;
  mode: ExecutionMode;
  sourceLabel: string;
  user: string;
  context: string;
  namespace: string;
  resource: string;
  action: string;
  outcome: Outcome | "";
  error: string;
}

export interface ExecutionLogLine {
  seq: number;
  timestamp: string;
  stream: "stdout" | "stderr";
  text: string;
}
export interface ExecutionLogs {
  executionId: string;
  logs: ExecutionLogLine[];
  truncated?: boolean;
}

export interface ClusterStatus {
  connected: boolean;
  context: string;
  server: string;
  version: string;
  demo: boolean;
  contexts: string[];
  error: string;
}

export interface Me {
  name: string;
  role: string;
  method: string;
  admin: boolean;
}

/** What goes over the socket as its first message. */
export interface StartMessage {
  type: "start";
  executionId: string;
  command: string;
  args: string[];
  mode?: ExecutionMode;
  label?: string;
  retryOf?: string;
  [field: string]: unknown;
}
