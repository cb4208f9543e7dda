/** The dock: a tab an execution; what it is, what becomes of its documents, what it says. */
import { createEffect, For, type JSX, onCleanup, Show } from "solid-js";
import { now, tick } from "../lib/clock";
import { duration } from "../lib/format";
import { type Execution, hasEnded, isShell, shownStatus } from "../stores/execution";
import {
  activeExecution,
  cancelExecution,
  closeTab,
  type DockSize,
  logOf,
  panel,
  retryLastExecution,
  setDock,
  setDockHeight,
  showExecution,
} from "../stores/executionPanel";
import { DocumentList } from "./DocumentList";
import { ExecutionHead } from "./ExecutionHead";
import { Icon } from "./Icon";
import { LogView } from "./LogView";
import { Status } from "./Status";

export const elapsed = (e: Execution): number => (e.completedAt ?? now()) - e.startedAt;

/** Puts the focus on the shown tab, so that the keys of the dock go on from there. */
export function focusTab(): void {
  queueMicrotask(() => document.querySelector<HTMLElement>('[role="tab"][aria-selected="true"]')?.focus());
}

function DryTag(props: { execution: Execution }): JSX.Element {
  return (
    <Show when={props.execution.mode === "dry-run"}>
      <span class="tag dashed">dry run</span>
    </Show>
  );
}

function Tab(props: { execution: Execution }): JSX.Element {
  const selected = () => panel.active === props.execution.id;
  return (
    <div class="tab" role="presentation" classList={{ selected: selected() }}>
      <button
        type="button"
        role="tab"
        id={`tab-${props.execution.id}`}
        aria-selected={selected()}
        aria-controls="execution"
        tabindex={selected() ? 0 : -1}
        onClick={() => showExecution(props.execution.id)}
      >
        <Status status={shownStatus(props.execution)} wordless />
        <span class="tab-label">{props.execution.label}</span>
        <DryTag execution={props.execution} />
        <span class="pale number">{duration(elapsed(props.execution))}</span>
      </button>
      <Show when={hasEnded(props.execution)}>
        {/* For the pointer. A list of tabs holds nothing but tabs; by keyboard it is Delete, or the button at the end. */}
        <span class="close" aria-hidden="true" title="Close" onClick={() => closeTab(props.execution.id)}>
          <Icon name="close" />
        </span>
      </Show>
    </div>
  );
}

function Edge(props: { dock: () => HTMLElement }): JSX.Element {
  const most = () => (innerHeight - 40) / innerHeight;
  const least = () => Math.min(200 / innerHeight, most());
  const set = (part: number) => setDockHeight(Math.min(most(), Math.max(least(), part)));
  const drag = (down: PointerEvent) => {
    const edge = down.currentTarget as HTMLElement;
    edge.setPointerCapture(down.pointerId);
    const move = (event: PointerEvent) => set((innerHeight - event.clientY) / innerHeight);
    edge.addEventListener("pointermove", move);
    edge.addEventListener("lostpointercapture", () => edge.removeEventListener("pointermove", move), {
      once: true,
    });
  };
  const keys = (event: KeyboardEvent) => {
    const step = { ArrowUp: 24, ArrowDown: -24, PageUp: 120, PageDown: -120 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    set((props.dock().offsetHeight + step) / innerHeight);
  };
  return (
    // biome-ignore lint/a11y/useSemanticElements: a separator that moves is no <hr>
    <div
      class="edge"
      role="separator"
      aria-orientation="horizontal"
      aria-label="Height of the dock"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(panel.height * 100)}
      tabindex="0"
      onPointerDown={drag}
      onKeyDown={keys}
    />
  );
}

function FoldedLine(): JSX.Element {
  return (
    <Show when={activeExecution()} fallback={<Empty />} keyed>
      {(e) => {
        const phase = () => e.phases.at(-1);
        return (
          <button type="button" class="folded-line" onClick={() => setDock("open")}>
            <Status status={shownStatus(e)} wordless={!hasEnded(e)} />
            <strong>{e.label}</strong>
            <DryTag execution={e} />
            <span class="pale number">{duration(elapsed(e))}</span>
            <Show when={!hasEnded(e) && phase()?.total}>
              <progress max={phase()?.total} value={phase()?.progress} aria-label="Progress" />
              <span class="number">
                {phase()?.progress} of {phase()?.total}
              </span>
              <code>{phase()?.detail}</code>
            </Show>
          </button>
        );
      }}
    </Show>
  );
}

function Empty(): JSX.Element {
  return (
    <p class="folded-line">
      <strong>Executions</strong>
      <span class="pale">What you apply shows here, live and line by line.</span>
    </p>
  );
}

function SizeButtons(): JSX.Element {
  const button = (size: DockSize, label: string, icon: "maximise" | "restore" | "fold" | "unfold") => (
    <button type="button" class="bare" aria-label={label} title={label} onClick={() => setDock(size)}>
      <Icon name={icon} />
    </button>
  );
  return (
    <div class="sizes">
      <Show when={panel.dock !== "folded" && activeExecution()} keyed>
        {(e) => (
          <Show when={hasEnded(e)}>
            <button
              type="button"
              class="bare close-tab"
              aria-label="Close this tab"
              title="Close this tab"
              onClick={() => closeTab(e.id)}
            >
              <Icon name="close" />
            </button>
          </Show>
        )}
      </Show>
      {panel.dock === "maximised"
        ? button("open", "Smaller", "restore")
        : button("maximised", "Maximise", "maximise")}
      {panel.dock === "folded"
        ? button("open", "Open the dock", "unfold")
        : button("folded", "Fold the dock", "fold")}
    </div>
  );
}

function selectTab(step: number): void {
  const at = panel.tabs.indexOf(panel.active);
  const next = panel.tabs[(at + step + panel.tabs.length) % panel.tabs.length];
  if (next) showExecution(next);
}

/** The keys of the dock; none acts while a field has the focus or a modifier is held. */
function dockKey(event: KeyboardEvent): void {
  const target = event.target as HTMLElement;
  if (event.ctrlKey || event.metaKey || event.altKey || target.matches("input, textarea, select")) return;
  const e = activeExecution();
  const key = event.key;
  const inTabs = target.getAttribute("role") === "tab";
  if (key === "c" && e && !hasEnded(e)) void cancelExecution(e.id);
  else if (key === "r" && e && hasEnded(e)) retryLastExecution();
  else if (key === "f") document.querySelector<HTMLElement>(".log .follow")?.click();
  else if (key === "e") setDock(panel.dock === "folded" ? "open" : "folded");
  else if (key === "E") setDock(panel.dock === "maximised" ? "open" : "maximised");
  else if ((key === "X" || (inTabs && key === "Delete")) && e) closeTab(e.id);
  else if (key === "[" || (inTabs && key === "ArrowLeft")) selectTab(-1);
  else if (key === "]" || (inTabs && key === "ArrowRight")) selectTab(1);
  else if (/^[1-9]$/.test(key) && panel.tabs[Number(key) - 1])
    showExecution(panel.tabs[Number(key) - 1] ?? "");
  else if (key === "Escape" && panel.dock !== "folded")
    setDock(panel.dock === "maximised" ? "open" : "folded");
  else return;
  event.preventDefault();
  if (inTabs) focusTab();
}

export function ExecutionPanel(): JSX.Element {
  let dock!: HTMLElement;
  const anyRuns = () => panel.tabs.some((id) => panel.executions[id] && !hasEnded(panel.executions[id]));
  const update = () => tick(anyRuns());
  createEffect(update);
  document.addEventListener("visibilitychange", update);
  onCleanup(() => document.removeEventListener("visibilitychange", update));

  return (
    <section
      ref={dock}
      class={`dock ${panel.dock}`}
      classList={{ vacant: !panel.tabs.length }}
      aria-label="Executions"
      style={{ "--dock-height": `${(panel.height * 100).toFixed(2)}vh` }}
      onKeyDown={dockKey}
    >
      <Show
        when={panel.dock !== "folded" && panel.tabs.length}
        fallback={
          <div class="dock-line">
            <FoldedLine />
            <SizeButtons />
          </div>
        }
      >
        <Show when={panel.dock === "open"}>
          <Edge dock={() => dock} />
        </Show>
        <div class="tabs">
          <div role="tablist" aria-label="Open executions">
            <For each={panel.tabs}>
              {(id) => <Show when={panel.executions[id]}>{(e) => <Tab execution={e()} />}</Show>}
            </For>
          </div>
          <SizeButtons />
        </div>
        <Show when={panel.active} keyed>
          {(id) => (
            <Show when={panel.executions[id]}>
              {(e) => (
                <div id="execution" class="execution" role="tabpanel" aria-labelledby={`tab-${id}`}>
                  <ExecutionHead execution={e()} />
                  <div class="execution-body">
                    <Show when={!isShell(e()) && e().documents.length}>
                      <DocumentList execution={e()} />
                    </Show>
                    <Show when={logOf(id)}>{(log) => <LogView execution={e()} log={log()} />}</Show>
                  </div>
                </div>
              )}
            </Show>
          )}
        </Show>
      </Show>
    </section>
  );
}
