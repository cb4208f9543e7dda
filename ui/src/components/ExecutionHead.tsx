/** The top of an execution: its status, the clock, what it is; then its phases, or how it ended. */
import { For, type JSX, Match, Show, Switch } from "solid-js";
import { now } from "../lib/clock";
import { clock, count, duration, many } from "../lib/format";
import { navigate } from "../lib/router";
import type { ResourcesChanged } from "../net/types";
import { openInEditor } from "../stores/draft";
import { type Execution, hasEnded, isShell, shownStatus } from "../stores/execution";
import { cancelExecution, retryLastExecution, yamlOf } from "../stores/executionPanel";
import { focusTab } from "./ExecutionPanel";
import { Icon, type IconName } from "./Icon";
import { PhaseLine } from "./PhaseLine";
import { Status } from "./Status";

function meta(e: Execution): string {
  const parts: string[] = [];
  if (e.namespace) parts.push(e.context ? `${e.namespace} on ${e.context}` : e.namespace);
  if (e.user) parts.push(`by ${e.user}`);
  parts.push(hasEnded(e) ? clock(e.startedAt) : `started ${clock(e.startedAt)}`);
  if (e.reattachedAt && !hasEnded(e)) parts.push(`reattached ${clock(e.reattachedAt)}`);
  if (e.summary) parts.push(`exit code ${e.summary.exitCode}`);
  if (e.summary?.signal) parts.push(`signal ${e.summary.signal}`);
  return parts.join(", ");
}

/** Puts the failing document under the reader's eyes, while this page has the text. */
function OpenAtLine(props: { execution: Execution }): JSX.Element {
  const line = () => props.execution.documents.find((row) => row.outcome === "failed")?.line ?? 0;
  const open = () => {
    openInEditor(yamlOf(props.execution.id), line());
    navigate("/apply");
  };
  return (
    <Show when={yamlOf(props.execution.id) && line()}>
      <button type="button" onClick={open}>
        <Icon name="pencil" /> Open at line {line()}
      </button>
    </Show>
  );
}

function RetryButton(props: { execution: Execution; filled?: boolean; label?: string }): JSX.Element {
  const retry = () => {
    retryLastExecution(props.execution.id);
    focusTab();
  };
  return (
    <button type="button" classList={{ filled: props.filled ?? false }} onClick={retry}>
      <Icon name="retry" /> {props.label ?? "Retry"} <kbd>r</kbd>
    </button>
  );
}

function ApplyForReal(props: { execution: Execution }): JSX.Element {
  const apply = () => {
    retryLastExecution(props.execution.id, "apply");
    focusTab();
  };
  return (
    <button type="button" class="filled" onClick={apply}>
      Apply for real
    </button>
  );
}

function Banner(props: { look: string; children: JSX.Element; actions: JSX.Element }): JSX.Element {
  return (
    <div class={`banner ${props.look}`}>
      <div class="banner-text">{props.children}</div>
      <div class="actions">{props.actions}</div>
    </div>
  );
}

const tally = (e: Execution, ...outcomes: string[]) =>
  e.documents.filter((row) => outcomes.includes(row.outcome)).length;
/** The rows of a very long list are left out by the host; its counts never are. */
const total = (e: Execution) => e.documents.length + e.documentsOmitted;
function wentThrough(e: Execution): number {
  const changed = e.summary?.resourcesChanged;
  return changed ? changed.created + changed.configured + changed.unchanged + changed.deleted : 0;
}
function notStarted(e: Execution): number {
  if (!e.documentsOmitted) return tally(e, "not-started");
  return total(e) - wentThrough(e) - tally(e, "failed", "in-doubt", "deferred");
}

function sentence(text: string): string {
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}

function Failed(props: { execution: Execution }): JSX.Element {
  const failed = () => props.execution.documents.find((row) => row.outcome === "failed");
  const rest = () => {
    const e = props.execution;
    if (!e.documents.length) return e.summary ? `It ended with exit code ${e.summary.exitCode}.` : "";
    const done = wentThrough(e);
    const left = notStarted(e);
    const stay = e.mode === "dry-run" ? "No changes persisted." : "";
    const through = done
      ? `${many(done, "document")} went through${e.mode === "dry-run" ? "" : done === 1 ? " and stays" : " and stay"}`
      : "Nothing was changed";
    return `${stay} ${through}${left ? `; ${left} ${left === 1 ? "was" : "were"} not started` : ""}.`.trim();
  };
  return (
    <Banner
      look="bad"
      actions={
        <>
          <OpenAtLine execution={props.execution} />
          <RetryButton execution={props.execution} filled />
        </>
      }
    >
      <p>
        <Show when={failed()?.ref}>{(ref) => <strong>{ref()}: </strong>}</Show>
        {sentence(props.execution.error || "The command failed")}
      </p>
      <p class="quiet">{rest()}</p>
    </Banner>
  );
}

function Refused(props: { execution: Execution }): JSX.Element {
  const words = () => {
    const { code, error } = props.execution.refused ?? { code: "", error: "" };
    if (code === "not_found" && props.execution.retryOf) return ["Its request is no longer kept.", error];
    if (code === "not_found")
      return ["The host no longer keeps this execution.", "What it did in the cluster stays."];
    if (code === "busy") return ["The host starts nothing new.", error];
    if (code === "forbidden") return ["This host refused.", error];
    return ["It was not started.", error];
  };
  return (
    <Banner look={shownStatus(props.execution) === "gone" ? "neutral" : "bad"} actions={null}>
      <p>
        <strong>{words()[0]}</strong> {sentence(words()[1] ?? "")}
      </p>
    </Banner>
  );
}

function Cancelled(props: { execution: Execution }): JSX.Element {
  const first = () => {
    const e = props.execution;
    if (e.outcome === "interrupted") return "The host stopped.";
    return e.documents.length
      ? `Stopped after ${count(wentThrough(e))} of ${many(total(e), "document")}.`
      : "Stopped.";
  };
  const doubt = () => {
    const n = tally(props.execution, "in-doubt");
    if (!n) return "";
    return n === 1
      ? "1 is in doubt: its request was sent and no answer came."
      : `${n} are in doubt: their requests were sent and no answer came.`;
  };
  return (
    <Banner look="neutral" actions={<RetryButton execution={props.execution} filled />}>
      <p>
        <strong>{first()}</strong> {doubt()} Nothing is left running on the host.
      </p>
      <p class="quiet">
        {props.execution.error ? sentence(props.execution.error.replace(/^c/, "C")) : ""} What is done stays.
      </p>
    </Banner>
  );
}

function DryRun(props: { execution: Execution }): JSX.Element {
  return (
    <Banner
      look="dry"
      actions={
        <>
          <RetryButton execution={props.execution} label="Check again" />
          <ApplyForReal execution={props.execution} />
        </>
      }
    >
      <p>
        <strong>No changes persisted.</strong> The cluster checked{" "}
        {total(props.execution) === 1
          ? "the document and would accept it."
          : `all ${count(total(props.execution))} documents and would accept them.`}
      </p>
      <p class="quiet">Applying for real sends exactly this text.</p>
    </Banner>
  );
}

const CHIPS: [keyof ResourcesChanged, IconName, string][] = [
  ["created", "created", "ok"],
  ["configured", "configured", "accent"],
  ["unchanged", "unchanged", "pale"],
  ["deleted", "deleted", "quiet"],
];

function Chip(props: { n: number; word: string; icon: IconName; color: string }): JSX.Element {
  return (
    <li class="chip" classList={{ zero: props.n === 0 }}>
      <span class={`status ${props.color}`}>
        <Icon name={props.icon} />
      </span>
      {props.n} {props.word}
    </li>
  );
}

function Counts(props: { execution: Execution; changed: ResourcesChanged }): JSX.Element {
  const failed = () => tally(props.execution, "failed");
  const left = () => notStarted(props.execution);
  const doubt = () => tally(props.execution, "in-doubt");
  return (
    <div class="counts">
      <Show when={props.execution.mode === "dry-run"}>
        <span>Would be</span>
      </Show>
      <ul>
        <For each={CHIPS}>
          {([word, icon, color]) => <Chip n={props.changed[word]} word={word} icon={icon} color={color} />}
        </For>
        <Show when={failed()}>
          <Chip n={failed()} word="failed" icon="failed" color="bad" />
        </Show>
        <Show when={doubt()}>
          <Chip n={doubt()} word="in doubt" icon="doubt" color="warn" />
        </Show>
        <Show when={left()}>
          <Chip n={left()} word="not started" icon="planned" color="pale" />
        </Show>
      </ul>
    </div>
  );
}

function Link(props: { execution: Execution }): JSX.Element {
  return (
    <Show when={props.execution.link === "waiting"}>
      <span class="status warn">
        <Icon name="warning" /> Reconnecting in{" "}
        {Math.max(0, Math.ceil((props.execution.retryAt - now()) / 1000))} s
        <Show when={props.execution.lastHeard}>, last heard {clock(props.execution.lastHeard)}</Show>
      </span>
    </Show>
  );
}

export function ExecutionHead(props: { execution: Execution }): JSX.Element {
  const e = () => props.execution;
  const status = () => shownStatus(e());
  const time = () => duration((e().completedAt ?? now()) - e().startedAt);
  return (
    <header class="execution-head" classList={{ dry: e().mode === "dry-run" }}>
      <div class="headline">
        <Status status={status()} />
        <span class="clock">{time()}</span>
        <strong class="label">{e().label}</strong>
        <span class="tag" classList={{ dashed: e().mode === "dry-run" }}>
          {e().mode === "dry-run" ? "DRY RUN" : "APPLY"}
        </span>
        <Show when={e().sourceLabel}>
          <span class="tag">{e().sourceLabel}</span>
        </Show>
        <span class="meta">{meta(e())}</span>
        <Link execution={e()} />
        <span class="push" />
        <Show when={e().cancelError}>
          <span class="status bad">{e().cancelError}</span>
        </Show>
        <Show when={!hasEnded(e())}>
          <button type="button" disabled={e().cancelling} onClick={() => void cancelExecution(e().id)}>
            <Icon name="stop" /> {e().cancelling ? "Cancelling…" : "Cancel"} <kbd>c</kbd>
          </button>
        </Show>
        <Show when={status() === "succeeded" && e().mode === "apply"}>
          <RetryButton execution={e()} label="Run again" />
        </Show>
      </div>
      <Switch>
        <Match when={e().refused}>
          <Refused execution={e()} />
        </Match>
        <Match when={status() === "failed"}>
          <Failed execution={e()} />
        </Match>
        <Match when={status() === "cancelled" || status() === "interrupted"}>
          <Cancelled execution={e()} />
        </Match>
        <Match when={status() === "succeeded" && e().mode === "dry-run"}>
          <DryRun execution={e()} />
        </Match>
      </Switch>
      <Show
        when={hasEnded(e())}
        fallback={
          <Show when={e().phases.length}>
            <PhaseLine execution={e()} />
          </Show>
        }
      >
        <Show when={!isShell(e()) && e().summary}>
          {(summary) => <Counts execution={e()} changed={summary().resourcesChanged} />}
        </Show>
      </Show>
    </header>
  );
}
