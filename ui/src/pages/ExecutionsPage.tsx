/** What ran and runs, newest first. A row opens it in the dock. */
import { createEffect, createMemo, For, type JSX, onCleanup, Show, untrack } from "solid-js";
import { Icon } from "../components/Icon";
import { Status } from "../components/Status";
import { now } from "../lib/clock";
import { count, duration, started } from "../lib/format";
import { address, navigate } from "../lib/router";
import type { ExecutionQuery } from "../net/api";
import type { ExecutionRecord } from "../net/types";
import { shownStatus } from "../stores/execution";
import { listExecutions, panel, reattachExecution } from "../stores/executionPanel";

const EVERY_MS = 2000;

const FILTERS: [string, string][] = [
  ["", "All"],
  ["status=running", "Running"],
  ["status=failed", "Failed"],
  ["status=succeeded", "Succeeded"],
  ["mode=dry-run", "Dry runs"],
];

function result(record: ExecutionRecord): string {
  if (record.status === "planned") return "waits for its turn";
  if (record.status === "running") return "";
  if (record.error) return record.error;
  const changed = record.summary?.resourcesChanged;
  if (record.sourceLabel === "shell" || !changed) return `exit code ${record.summary?.exitCode ?? 0}`;
  const said = (["created", "configured", "unchanged", "deleted"] as const)
    .filter((word) => changed[word])
    .map((word) => `${count(changed[word])} ${word}`)
    .join(", ");
  return record.mode === "dry-run" ? `would be: ${said || "nothing"}` : said || "nothing";
}

function Row(props: { record: ExecutionRecord }): JSX.Element {
  const r = () => props.record;
  const from = () => Date.parse(r().startedAt);
  const shown = () => shownStatus({ status: r().status, outcome: r().outcome });
  return (
    <tr classList={{ selected: panel.active === r().executionId }}>
      <td>
        <Status status={shown()} />
      </td>
      <td>
        <a href={`/executions/${encodeURIComponent(r().executionId)}`} onClick={() => reattachExecution(r())}>
          {r().label || r().executionId}
        </a>
        <Show when={r().mode === "dry-run"}>
          <span class="tag dashed">dry run</span>
        </Show>
      </td>
      <td>{r().namespace || <span class="pale">none</span>}</td>
      <td>{r().user}</td>
      <td title={r().startedAt}>{started(from(), now())}</td>
      <td class="number">{duration(r().summary?.durationMs ?? now() - from())}</td>
      <td class="result" classList={{ bad: shown() === "failed" }} title={result(r())}>
        {result(r())}
      </td>
    </tr>
  );
}

export function ExecutionsPage(): JSX.Element {
  const search = () => address().searchParams;
  const query = createMemo<ExecutionQuery>(() => {
    const asked: ExecutionQuery = {};
    for (const name of ["status", "mode", "q"] as const) {
      const value = search().get(name);
      if (value) asked[name] = value;
    }
    return asked;
  });
  const chosen = (filter: string) => {
    const [name, value] = filter.split("=");
    return name ? search().get(name) === value : !search().get("status") && !search().get("mode");
  };
  const choose = (filter: string) => {
    const next = new URLSearchParams(filter);
    const q = search().get("q");
    if (q) next.set("q", q);
    navigate(`/executions${next.size ? `?${next}` : ""}`, { replace: true });
  };
  const write = (q: string) => {
    const next = new URLSearchParams(search());
    if (q) next.set("q", q);
    else next.delete("q");
    navigate(`/executions${next.size ? `?${next}` : ""}`, { replace: true });
  };
  // A link to one opens it, wherever it came from.
  createEffect(() => {
    const id = /^\/executions\/([^/]+)$/.exec(address().pathname)?.[1];
    if (id) untrack(() => reattachExecution(decodeURIComponent(id)));
  });
  createEffect(() => {
    const asked = query();
    void listExecutions(asked);
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") void listExecutions(asked);
    }, EVERY_MS);
    onCleanup(() => clearInterval(timer));
  });
  return (
    <div class="page">
      <header class="page-head">
        <h1>Executions</h1>
        <Show when={panel.hostError} fallback={<span class="status ok">● live</span>}>
          <span class="status warn">
            <Icon name="warning" /> {panel.hostError} What runs there goes on.
          </span>
        </Show>
      </header>
      <div class="page-bar">
        <label class="search">
          <Icon name="search" />
          <input
            type="search"
            aria-label="Label, object or reason"
            placeholder="Label, object or reason"
            value={search().get("q") ?? ""}
            onInput={(event) => write(event.currentTarget.value)}
          />
        </label>
        <fieldset class="segments" aria-label="Show">
          <For each={FILTERS}>
            {([filter, title]) => (
              <button type="button" aria-pressed={chosen(filter)} onClick={() => choose(filter)}>
                {title}
              </button>
            )}
          </For>
        </fieldset>
      </div>
      <div class="table-frame">
        <table classList={{ stale: panel.hostError !== "" }}>
          <thead>
            <tr>
              <th scope="col">Status</th>
              <th scope="col">What</th>
              <th scope="col">Namespace</th>
              <th scope="col">User</th>
              <th scope="col">Started</th>
              <th scope="col" class="number">
                Duration
              </th>
              <th scope="col">Result</th>
            </tr>
          </thead>
          <tbody>
            <For each={panel.listed}>{(record) => <Row record={record} />}</For>
          </tbody>
        </table>
        <Show when={panel.listedKnown && !panel.listed.length}>
          <p class="empty">
            <Show
              when={Object.keys(query()).length}
              fallback={<>Nothing has run yet. What you apply shows here.</>}
            >
              No execution matches. <a href="/executions">Clear the filter</a>
            </Show>
          </p>
        </Show>
        <Show when={panel.listed.length && !panel.listedAll}>
          <p class="empty">
            <button type="button" onClick={() => void listExecutions(query(), true)}>
              Older ones
            </button>
          </p>
        </Show>
      </div>
    </div>
  );
}
