/** The executions that are open in the dock, and what a person does with them. */
import { batch, createRoot, untrack } from "solid-js";
import { createStore, produce, reconcile } from "solid-js/store";
import { LogBuffer } from "../lib/logbuffer";
import { documentsOf } from "../lib/manifest";
import { ApiError, api, type ExecutionQuery } from "../net/api";
import { type SocketState, type WatchedExecution, watchExecution } from "../net/socket";
import type {
  ExecutionEvent,
  ExecutionLogs,
  ExecutionMode,
  ExecutionRecord,
  StartMessage,
} from "../net/types";
import { checkCluster, cluster } from "./cluster";
import { applyEvents, type Execution, fromRecord, hasEnded, newExecution } from "./execution";
import { me } from "./session";
import { remember, remembered } from "./settings";

export interface StartExecutionOptions {
  /** Made here when empty. */
  executionId?: string;
  label: string;
  /** "__k8s-apply-yaml" for apply flows. */
  command: string;
  args?: string[];
  mode: ExecutionMode;
  kubernetesEquivalent?: boolean;
  namespace?: string;
  context?: string;
  userAction?: string;
  dryRun?: boolean;
  allowClusterWide?: boolean;
  resource?: string;
  action?: string;
  intent?: string;
  yaml?: string;
}

export type DockSize = "folded" | "open" | "maximised";

interface PanelState {
  /** The open tabs, in the order of starting. */
  tabs: string[];
  active: string;
  executions: Record<string, Execution>;
  dock: DockSize;
  /** Part of the window's height, as a person dragged it. */
  height: number;
  recent: ExecutionRecord[];
  listed: ExecutionRecord[];
  listedAll: boolean;
  listedKnown: boolean;
  hostError: string;
}

const MAX_TABS = 24;

const [panel, setPanel] = createStore<PanelState>({
  tabs: [],
  active: "",
  executions: {},
  dock: "folded",
  height: Number(remembered("dockHeight")) || 0.48,
  recent: [],
  listed: [],
  listedAll: false,
  listedKnown: false,
  hostError: "",
});

export { panel };

/** What is no state of the page: logs and sockets, and the texts that were sent. */
interface Behind {
  log: LogBuffer;
  socket: WatchedExecution | null;
  pending: ExecutionEvent[];
  yaml: string;
}
const behind = new Map<string, Behind>();

export const logOf = (executionId: string): LogBuffer | undefined => behind.get(executionId)?.log;
/** The manifest that was sent from this page; "" where this page did not. */
export const yamlOf = (executionId: string): string => behind.get(executionId)?.yaml ?? "";
export const activeExecution = (): Execution | undefined => panel.executions[panel.active];
/** How many run on the host, as far as this page has heard: a socket knows sooner than the list. */
export function runningCount(): number {
  const open = panel.tabs.filter((id) => panel.executions[id] && !hasEnded(panel.executions[id]));
  const others = panel.recent.filter(
    (r) => (r.status === "running" || r.status === "planned") && !panel.executions[r.executionId],
  );
  return open.length + others.length;
}

// ---- events come in ----

let frame: number | ReturnType<typeof setTimeout> | null = null;

/** One update of the page a frame, for whatever came in. */
function flush(): void {
  frame = null;
  batch(() => {
    for (const [id, b] of behind) {
      if (!b.pending.length) continue;
      const events = b.pending;
      b.pending = [];
      setPanel(
        "executions",
        id,
        produce((e: Execution) => applyEvents(e, b.log, events)),
      );
      if (events.some((event) => event.type === "complete")) void loadRecentExecutions();
    }
  });
}

function schedule(): void {
  if (frame !== null) return;
  // A hidden tab has no frames.
  if (document.visibilityState === "visible") frame = requestAnimationFrame(flush);
  else frame = setTimeout(flush, 250);
}

function linked(id: string, state: SocketState): void {
  if (state.kind === "live") setPanel("executions", id, { link: "live" });
  else if (state.kind === "waiting") {
    setPanel("executions", id, { link: "waiting", retryAt: state.until });
    // Is it the socket alone, or the host.
    if (cluster.host) void checkCluster();
  } else setPanel("executions", id, { link: "ended" });
}

function watch(
  execution: Execution,
  first: { start: StartMessage } | { afterSeq: number },
  yaml: string,
): void {
  const id = execution.id;
  const b: Behind = { log: new LogBuffer(), socket: null, pending: [], yaml };
  behind.set(id, b);
  setPanel("executions", id, execution);
  setPanel("tabs", (tabs) => [...tabs, id]);
  makeRoom();
  b.socket = watchExecution(id, first, {
    events(events) {
      for (const event of events) b.pending.push(event);
      schedule();
    },
    refused(error) {
      flush();
      setPanel("executions", id, (e) => ({
        refused: { code: error.code, error: error.error },
        cancelling: false,
        completedAt: e.completedAt ?? (e.lastHeard || e.startedAt),
      }));
    },
    state: (state) => linked(id, state),
  });
  rememberTabs();
}

/** Too many tabs: the oldest that has ended goes. */
function makeRoom(): void {
  if (panel.tabs.length <= MAX_TABS) return;
  const oldest = panel.tabs.find((id) => {
    const e = panel.executions[id];
    return e && hasEnded(e) && id !== panel.active;
  });
  if (oldest) closeTab(oldest);
}

function rememberTabs(): void {
  try {
    sessionStorage.setItem("moonsail.tabs", JSON.stringify({ tabs: panel.tabs, active: panel.active }));
  } catch {
    // A page that keeps nothing takes the running one up again, which is enough.
  }
}

// ---- what a person does ----

const newId = (): string => `exec-${Date.now()}-${Math.random().toString(36).slice(2, 8)}`;

/** Starts an execution, opens its tab and shows it. Returns its id; everything else comes as events. */
export function startExecution(options: StartExecutionOptions): string {
  const { executionId, ...rest } = options;
  const id = executionId || newId();
  const yaml = options.yaml ?? "";
  const start: StartMessage = { type: "start", args: [], ...rest, executionId: id };
  const documents = documentsOf(yaml).map(({ ref, line, namespace }) => ({
    ref,
    line,
    namespace,
    outcome: "waiting",
    message: "",
  }));
  const execution = newExecution(id, {
    label: options.label,
    mode: options.dryRun ? "dry-run" : options.mode,
    sourceLabel: options.intent || options.kubernetesEquivalent ? "kubectl-equivalent" : "shell",
    namespace: options.namespace ?? "",
    context: options.context ?? "",
    user: me()?.name ?? "",
    documents,
  });
  watch(execution, { start }, yaml);
  showExecution(id);
  return id;
}

/** Asks the host to end it. Resolves when the host has accepted; the outcome comes as events. */
export async function cancelExecution(executionId: string): Promise<void> {
  setPanel("executions", executionId, { cancelling: true, cancelError: "" });
  try {
    await api.cancel(executionId);
  } catch (error) {
    // 409: it has ended meanwhile, and says so by itself.
    const ended = error instanceof ApiError && error.status === 409;
    const said = error instanceof Error ? error.message : String(error);
    setPanel("executions", executionId, { cancelling: false, cancelError: ended ? "" : said });
  }
}

/**
 * Runs what the shown execution (or the one named) asked for once more, in a tab of its own; with a
 * mode, in that mode. The host keeps the request and judges it anew.
 */
export function retryLastExecution(executionId = panel.active, mode?: ExecutionMode): string | null {
  const old = panel.executions[executionId];
  if (!old) return null;
  const id = newId();
  const start: StartMessage = {
    type: "start",
    executionId: id,
    command: "",
    args: [],
    retryOf: executionId,
    label: old.label,
    mode: mode ?? old.mode,
  };
  const execution = newExecution(id, {
    label: old.label,
    mode: mode ?? old.mode,
    sourceLabel: old.sourceLabel,
    namespace: old.namespace,
    context: old.context,
    user: me()?.name ?? "",
    retryOf: executionId,
    documents: old.documents.map((document) => ({ ...document, outcome: "waiting", message: "" })),
  });
  watch(execution, { start }, yamlOf(executionId));
  showExecution(id);
  return id;
}

/** Opens an execution that the host knows; one that is open already is only shown. */
export function reattachExecution(known: string | ExecutionRecord, show = true): void {
  const id = typeof known === "string" ? known : known.executionId;
  if (!panel.executions[id]) {
    const record = typeof known === "string" ? panel.recent.find((r) => r.executionId === id) : known;
    const execution = record ? fromRecord(record) : newExecution(id);
    if (!record) void loadRecentExecutions();
    if (!hasEnded(execution)) execution.reattachedAt = Date.now();
    watch(execution, { afterSeq: 0 }, "");
  }
  if (show) showExecution(id);
}

/** After a refresh: what was open in this window, else what runs and is the newest. */
export async function autoReattachMostRecentRunning(): Promise<void> {
  await loadRecentExecutions();
  let kept: { tabs: string[]; active: string } = { tabs: [], active: "" };
  try {
    kept = JSON.parse(sessionStorage.getItem("moonsail.tabs") ?? "null") ?? kept;
  } catch {
    // Nothing of use was kept.
  }
  for (const id of kept.tabs) {
    const record = panel.recent.find((r) => r.executionId === id);
    if (record) reattachExecution(record, false);
  }
  const running = panel.recent.find((r) => r.status === "running" || r.status === "planned");
  if (running && !panel.executions[running.executionId]) reattachExecution(running, false);
  const shown = panel.executions[kept.active] ? kept.active : (running?.executionId ?? panel.tabs.at(-1));
  if (!shown || panel.active) return;
  const fold = remembered("dock") === "folded" && !running;
  setPanel({ active: shown, dock: fold ? "folded" : "open" });
}

/** What no event tells: who started it, and where it goes. */
function describeExecution({ executionId, user, context, namespace }: ExecutionRecord): void {
  if (panel.executions[executionId]) setPanel("executions", executionId, { user, context, namespace });
}

/** The newest executions of the host: what runs, and what a refresh takes up again. */
export async function loadRecentExecutions(): Promise<void> {
  try {
    const recent = await api.executions({ limit: 100 });
    batch(() => {
      setPanel({ recent, hostError: "" });
      for (const record of recent) describeExecution(record);
    });
  } catch (error) {
    setPanel("hostError", error instanceof Error ? error.message : String(error));
  }
}

let listQuery: ExecutionQuery | null = null;

/** The list of the page Executions. With `older`, the ones before the last that is shown. */
export async function listExecutions(query: ExecutionQuery, older = false): Promise<void> {
  listQuery = query;
  const shown = untrack(() => [...panel.listed]);
  const before = older ? shown.at(-1)?.executionId : undefined;
  // What was loaded by scrolling stays loaded as the list is read anew.
  const limit = older ? 50 : Math.min(200, Math.max(50, shown.length));
  try {
    const found = await api.executions({ ...query, limit, ...(before ? { before } : {}) });
    if (listQuery !== query) return;
    batch(() => {
      // Rows that stay are the same rows: what is under a pointer or has the focus is not made anew.
      setPanel("listed", reconcile(before ? [...shown, ...found] : found, { key: "executionId" }));
      setPanel({ listedAll: found.length < limit, listedKnown: true, hostError: "" });
    });
  } catch (error) {
    setPanel("hostError", error instanceof Error ? error.message : String(error));
  }
}

/** The lines that the host has kept, the last ones or those after a seq. */
export function loadExecutionLogs(
  executionId: string,
  afterSeq?: number,
  limit?: number,
): Promise<ExecutionLogs> {
  return api.logs(executionId, afterSeq, limit);
}

export function showExecution(executionId: string): void {
  setPanel("active", executionId);
  if (panel.dock === "folded") setDock("open");
  rememberTabs();
}

/** Closes a tab. What runs goes on in the host and only folds here. */
export function closeTab(executionId: string): void {
  const e = panel.executions[executionId];
  if (!e) return;
  if (!hasEnded(e)) {
    setDock("folded");
    return;
  }
  const at = panel.tabs.indexOf(executionId);
  behind.get(executionId)?.socket?.close();
  behind.delete(executionId);
  batch(() => {
    const tabs = panel.tabs.filter((id) => id !== executionId);
    if (panel.active === executionId) setPanel("active", tabs[at] ?? tabs[at - 1] ?? "");
    setPanel("tabs", tabs);
    setPanel(
      "executions",
      produce((all) => void delete all[executionId]),
    );
  });
  if (!panel.tabs.length) setDock("folded");
  rememberTabs();
}

export function setDock(dock: DockSize): void {
  setPanel("dock", dock);
  remember("dock", dock);
}

export function setDockHeight(part: number): void {
  setPanel("height", Math.min(0.95, Math.max(0.1, part)));
  remember("dockHeight", panel.height.toFixed(4));
}

/** Sockets that wait for their next try do so now: the window is shown, or the network is back. */
export function hurryConnections(): void {
  for (const b of behind.values()) b.socket?.hurry();
}

createRoot(() => {
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") hurryConnections();
  });
  addEventListener("online", hurryConnections);
});
