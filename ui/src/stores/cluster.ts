/** The cluster that Apply goes to, asked again and again. */
import { createStore } from "solid-js/store";
import { ApiError, api } from "../net/api";
import type { ClusterStatus } from "../net/types";

export interface Cluster extends ClusterStatus {
  /** Has an answer come yet. */
  known: boolean;
  /** Does the host itself answer. */
  host: boolean;
  /** When the answer came. */
  at: number;
  /** When it is asked again, where the host does not answer. */
  retryAt: number;
}

const [cluster, setCluster] = createStore<Cluster>({
  known: false,
  host: true,
  at: 0,
  retryAt: 0,
  connected: false,
  context: "",
  server: "",
  version: "",
  demo: false,
  contexts: [],
  error: "",
});

export { cluster };

let chosen = "";
let failures = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Asks now, and from then on by itself: seldom while all is well, soon while it is not. */
export async function checkCluster(): Promise<void> {
  clearTimeout(timer);
  let wait: number;
  try {
    const status = await api.clusterStatus(chosen);
    failures = 0;
    setCluster({ ...status, known: true, host: true, at: Date.now(), retryAt: 0 });
    wait = status.connected ? 15_000 : 3_000;
  } catch (error) {
    if (error instanceof ApiError && error.status !== 0) {
      failures = 0;
      setCluster({
        known: true,
        host: true,
        connected: false,
        error: error.message,
        at: Date.now(),
        retryAt: 0,
      });
      wait = 5_000;
    } else {
      wait = Math.min(500 * 2 ** failures++, 15_000);
      setCluster({ known: true, host: false, connected: false, at: Date.now(), retryAt: Date.now() + wait });
    }
  }
  clearTimeout(timer);
  timer = setTimeout(checkCluster, document.visibilityState === "visible" ? wait : 60_000);
}

export function chooseContext(context: string): void {
  chosen = context;
  void checkCluster();
}
