/**
 * The only WebSocket of the panel: one execution, watched to its end.
 *
 * It starts or attaches, hands every batch on, and comes back after a loss by the last seq it
 * has seen. The id of an execution is chosen here; so a start whose socket broke before the first
 * event is asked for by attaching, and sent again only where the host never heard of it.
 */
import type { ErrorEvent, ExecutionEvent, StartMessage, StreamEvent } from "./types";

const SUBPROTOCOL = "moonsail.batch.v1";
const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 15_000;

export type SocketState = { kind: "live" } | { kind: "waiting"; until: number } | { kind: "ended" };

export interface SocketHandlers {
  events(events: ExecutionEvent[]): void;
  /** It ends before it starts, or is not there. Final. */
  refused(error: ErrorEvent): void;
  state(state: SocketState): void;
}

export interface WatchedExecution {
  /** Tries at once, where it waits for its next try. */
  hurry(): void;
  close(): void;
}

export function backoff(attempt: number): number {
  return Math.min(FIRST_DELAY_MS * 2 ** attempt, MAX_DELAY_MS);
}

function streamUrl(): string {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  return `${scheme}://${location.host}/api/execution/stream`;
}

export function watchExecution(
  executionId: string,
  first: { start: StartMessage } | { afterSeq: number },
  handlers: SocketHandlers,
): WatchedExecution {
  let socket: WebSocket | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let attempt = 0;
  let lastSeq = "afterSeq" in first ? first.afterSeq : 0;
  let start: StartMessage | null = "start" in first ? first.start : null;
  let sendStart = start !== null;
  let over = false;

  function end(): void {
    over = true;
    clearTimeout(timer);
    socket?.close();
    socket = null;
    handlers.state({ kind: "ended" });
  }

  function take(data: unknown): void {
    const parsed = JSON.parse(String(data)) as StreamEvent | StreamEvent[];
    const events: ExecutionEvent[] = [];
    let complete = false;
    for (const event of Array.isArray(parsed) ? parsed : [parsed]) {
      if (event.type === "error") {
        if (event.code === "not_found" && start !== null && lastSeq === 0 && !sendStart) {
          // The start never arrived: once more, on the next socket.
          sendStart = true;
          return;
        }
        if (event.code === "conflict" && start !== null && lastSeq === 0 && attempt > 0) {
          sendStart = false;
          return;
        }
        handlers.refused(event);
        end();
        return;
      }
      if (event.type === "gap") lastSeq = Math.max(lastSeq, event.toSeq);
      else lastSeq = Math.max(lastSeq, event.seq);
      if (event.type === "complete") complete = true;
      events.push(event);
    }
    attempt = 0;
    start = null;
    if (events.length) handlers.events(events);
    if (complete) end();
  }

  function open(): void {
    if (over) return;
    clearTimeout(timer);
    timer = undefined;
    const ws = new WebSocket(streamUrl(), SUBPROTOCOL);
    socket = ws;
    ws.onopen = () => {
      if (start && sendStart) {
        sendStart = false;
        ws.send(JSON.stringify(start));
      } else {
        ws.send(JSON.stringify({ type: "attach", executionId, afterSeq: lastSeq }));
      }
      handlers.state({ kind: "live" });
    };
    ws.onmessage = (message) => {
      if (ws === socket) take(message.data);
    };
    ws.onclose = () => {
      if (over || ws !== socket) return;
      socket = null;
      const delay = backoff(attempt++);
      handlers.state({ kind: "waiting", until: Date.now() + delay });
      timer = setTimeout(open, delay);
    };
  }

  open();
  return {
    hurry() {
      if (!over && timer !== undefined) open();
    },
    close: end,
  };
}
