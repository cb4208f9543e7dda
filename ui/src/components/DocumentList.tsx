/** What becomes of each document of a manifest: a strip of one cell each, and a row each. */
import { createEffect, createMemo, For, type JSX, Show } from "solid-js";
import { count } from "../lib/format";
import type { DocumentRow, Execution } from "../stores/execution";
import { hasEnded } from "../stores/execution";
import { OutcomeWord } from "./Status";

/** More cells than this say nothing; more rows are slow, and the host leaves them out as well. */
const STRIP = 40;
const ROWS = 1000;

function Ref(props: { row: DocumentRow }): JSX.Element {
  const slash = () => props.row.ref.indexOf("/");
  return (
    <span
      class="ref"
      title={props.row.namespace ? `${props.row.ref} in ${props.row.namespace}` : props.row.ref}
    >
      <span class="ref-kind">{props.row.ref.slice(0, slash())}</span>
      <span class="ref-name">{props.row.ref.slice(slash())}</span>
    </span>
  );
}

export function DocumentList(props: { execution: Execution }): JSX.Element {
  const rows = () => props.execution.documents;
  const dry = () => props.execution.mode === "dry-run";
  const done = createMemo(
    () => rows().filter((row) => !["waiting", "applying", "not-started"].includes(row.outcome)).length,
  );
  let list!: HTMLUListElement;
  // The one that is being applied stays in sight, unless a person reads the list.
  createEffect(() => {
    const at = rows().findIndex((row) => row.outcome === "applying");
    if (at >= 0 && !list.matches(":hover, :focus-within"))
      list.children[at]?.scrollIntoView({ block: "nearest" });
  });
  return (
    <section class="documents" aria-label="Documents">
      <header class="bar">
        <h3>Documents</h3>
        <span class="pale">
          {hasEnded(props.execution) ? count(rows().length) : `${done()} of ${rows().length}`}
          {dry() ? ", would be" : ""}
        </span>
        <Show when={rows().length <= STRIP}>
          <span class="strip" classList={{ dry: dry() }} aria-hidden="true">
            <For each={rows()}>{(row) => <span class={`cell ${row.outcome}`} />}</For>
          </span>
        </Show>
      </header>
      <ul ref={list} class="document-rows">
        <For each={rows().slice(0, ROWS)}>
          {(row) => (
            <li class={row.outcome}>
              <Ref row={row} />
              <OutcomeWord outcome={row.outcome} dry={dry()} />
              <Show when={row.message}>
                <p class="message">{row.message}</p>
              </Show>
            </li>
          )}
        </For>
        <Show when={props.execution.documentsOmitted || rows().length > ROWS}>
          <li class="pale">
            {count(props.execution.documentsOmitted + Math.max(0, rows().length - ROWS))} more documents are
            not listed.
          </li>
        </Show>
      </ul>
    </section>
  );
}
