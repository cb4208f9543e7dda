/** The only fetch of the panel. Everything goes to the host that served the page. */
import type { ClusterStatus, ExecutionLogs, ExecutionRecord, Me } from "./types";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** How long an answer may take; the host itself gives up on a cluster after 60 s. */
const LIMIT_MS = 65_000;

async function call<T>(method: "GET" | "POST", path: string, limit: number): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: { Accept: "application/json" },
      signal: AbortSignal.timeout(limit),
    });
  } catch {
    throw new ApiError(0, "no_host", "The host does not answer.");
  }
  const body: unknown = await response.json().catch(() => null);
  if (!response.ok) {
    const error = (body as { error?: { code?: string; message?: string } } | null)?.error;
    throw new ApiError(
      response.status,
      error?.code ?? "failed",
      error?.message ?? `The host answered ${response.status}.`,
    );
  }
  return body as T;
}

function query(parameters: Record<string, string | number | undefined>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== "") search.set(name, String(value));
  }
  const text = search.toString();
  return text ? `?${text}` : "";
}

export interface ExecutionQuery {
  limit?: number;
  before?: string;
  status?: string;
  mode?: string;
  q?: string;
}

export const api = {
  me: () => call<Me>("GET", "/api/me", LIMIT_MS),
  clusterStatus: (context: string) =>
    call<ClusterStatus>("GET", `/api/cluster/status${query({ context })}`, LIMIT_MS),
  executions: (asked: ExecutionQuery = {}) =>
    call<ExecutionRecord[]>("GET", `/api/executions${query({ ...asked })}`, LIMIT_MS),
  logs: (executionId: string, afterSeq?: number, limit?: number) =>
    call<ExecutionLogs>("GET", `/api/executions/logs${query({ executionId, afterSeq, limit })}`, LIMIT_MS),
  cancel: (executionId: string) =>
    call<{ executionId: string }>("POST", `/api/executions/cancel${query({ executionId })}`, LIMIT_MS),
};
