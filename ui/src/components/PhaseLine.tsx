/** The phases in a line, the current one with `n of m`. */
import { For, type JSX, Show } from "solid-js";
import { duration } from "../lib/format";
import type { Execution, Phase } from "../stores/execution";
import { hasEnded } from "../stores/execution";
import { Icon } from "./Icon";

export function PhaseLine(props: { execution: Execution }): JSX.Element {
  const running = (phase: Phase) => phase.endedAt === null && !hasEnded(props.execution);
  return (
    <ol class="phases" aria-label="Phases">
      <For each={props.execution.phases}>
        {(phase) => (
          <li classList={{ current: running(phase) }}>
            <span class={running(phase) ? "status accent" : "status ok"}>
              <Icon name={running(phase) ? "running" : "succeeded"} />
            </span>
            <strong>{phase.name}</strong>
            <Show when={running(phase) && phase.total > 0}>
              <progress max={phase.total} value={phase.progress} aria-label={phase.name} />
              <strong class="number">
                {phase.progress} of {phase.total}
              </strong>
            </Show>
            <Show when={running(phase) && phase.detail}>
              <code>{phase.detail}</code>
            </Show>
            <Show when={!running(phase) && phase.endedAt !== null}>
              <span class="pale number">{duration((phase.endedAt ?? 0) - phase.startedAt)}</span>
            </Show>
          </li>
        )}
      </For>
    </ol>
  );
}
