/**
 * The log of one execution: only the rows in sight are in the page. It follows the end until a
 * person scrolls up; a selection holds it too.
 */
import { createEffect, createMemo, createSignal, For, type JSX, onCleanup, onMount, Show } from "solid-js";
import { parseAnsi, plainText } from "../lib/ansi";
import { clockMs, count } from "../lib/format";
import type { LogBuffer, LogRow } from "../lib/logbuffer";
import type { Execution } from "../stores/execution";
import { hasEnded } from "../stores/execution";
import { theme, timestamps, toggleTimestamps } from "../stores/settings";
import { Icon } from "./Icon";

const ROW = 18;
const OVERSCAN = 12;
/** So far up a person scrolls before the log stops following. */
const HOLD = 32;

function LineText(props: { text: string }): JSX.Element {
  const parsed = createMemo(() => parseAnsi(props.text, theme()));
  return (
    <>
      <For each={parsed().pieces}>
        {(piece) => {
          const look = { color: piece.color, "background-color": piece.background };
          return piece.href ? (
            <a class={piece.look} style={look} href={piece.href} target="_blank" rel="noopener noreferrer">
              {piece.text}
            </a>
          ) : (
            <span class={piece.look} style={look}>
              {piece.text}
            </span>
          );
        }}
      </For>
      <Show when={parsed().more}>
        <span class="more">… {count(parsed().more)} more</span>
      </Show>
    </>
  );
}

const warns = (text: string) => /^(?:\x1b\[[0-9;]*m)*(?:warn(?:ing)?)\b/i.test(text);

function Row(props: { row: LogRow; place: number; heading: string }): JSX.Element {
  const row = props.row;
  const top = { top: `${props.place * ROW}px` };
  if (row.kind === "phase") {
    return (
      <div class="log-row heading" style={top}>
        <strong>{row.text}</strong> <span class="pale">{props.heading}</span>
      </div>
    );
  }
  if (row.kind === "gap") {
    return (
      <div class="log-row gap" style={top}>
        <strong>{count(row.time - row.seq + 1)} events are no longer kept</strong> ({count(row.seq)} to{" "}
        {count(row.time)}).
      </div>
    );
  }
  const stderr = row.kind === "stderr";
  const mark = warns(row.text) ? "W" : stderr ? "E" : "";
  return (
    <div class="log-row" classList={{ stderr: mark === "E", warning: mark === "W" }} style={top}>
      <span class="seq">{count(row.seq)}</span>
      <Show when={timestamps()}>
        <time>{clockMs(row.time)}</time>
      </Show>
      <span class="mark" title={stderr ? "stderr" : undefined}>
        {mark}
      </span>
      <span class="text">
        <LineText text={row.text} />
      </span>
    </div>
  );
}

export function LogView(props: { execution: Execution; log: LogBuffer }): JSX.Element {
  let scroller!: HTMLDivElement;
  const [top, setTop] = createSignal(0);
  const [height, setHeight] = createSignal(0);
  const [follow, setFollow] = createSignal(true);
  const [leftAt, setLeftAt] = createSignal(0);

  // The buffer itself is no state: `rows` tells that it has grown.
  const dropped = () => (props.execution.rows >= 0 ? props.log.dropped : 0);
  const total = () => props.execution.rows - dropped();
  const lead = () => (dropped() > 0 ? 1 : 0);
  const places = createMemo(() => {
    const from = Math.max(0, Math.floor(top() / ROW) - OVERSCAN);
    const to = Math.min(total(), Math.ceil((top() + height()) / ROW) + OVERSCAN);
    const shown: number[] = [];
    for (let place = from; place < to; place++) shown.push(place + dropped());
    return shown;
  });
  const gutter = () => Math.max(6, count(props.execution.lastSeq).length);
  const below = () => Math.max(0, props.execution.lines - leftAt());

  const atEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
  const selecting = () => {
    const selection = document.getSelection();
    return !!selection && !selection.isCollapsed && scroller.contains(selection.anchorNode);
  };
  const toEnd = () => {
    scroller.scrollTop = scroller.scrollHeight;
    setTop(scroller.scrollTop);
  };
  const resume = () => {
    setFollow(true);
    toEnd();
  };
  const scrolled = () => {
    setTop(scroller.scrollTop);
    const rest = atEnd();
    if (rest < 4) setFollow(true);
    else if (rest > HOLD && follow() && !selecting()) {
      setFollow(false);
      setLeftAt(props.execution.lines);
    }
  };
  createEffect(() => {
    // Read here, so that this runs with every change of them, after the page has grown.
    total();
    height();
    if (follow() && !selecting()) toEnd();
  });

  onMount(() => {
    const observer = new ResizeObserver(() => setHeight(scroller.clientHeight));
    observer.observe(scroller);
    setHeight(scroller.clientHeight);
    onCleanup(() => observer.disconnect());
  });

  const sticky = createMemo(() => {
    const place = props.log.headingOf(Math.floor(top() / ROW) + dropped());
    return place >= 0 && place < Math.floor(top() / ROW) + dropped() ? props.log.row(place)?.text : undefined;
  });
  const copy = () => {
    const selected = selecting() ? String(document.getSelection()) : props.log.text(plainText);
    void navigator.clipboard.writeText(selected).catch(() => undefined);
  };
  const download = () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([props.log.text(plainText), "\n"], { type: "text/plain" }));
    link.download = `${props.execution.id}.log`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  };
  const heading = (text: string) => {
    const phase = props.execution.phases.find((p) => p.name === text);
    return phase && phase.total > 0 ? `${phase.progress} of ${phase.total}` : "";
  };

  return (
    <section class="log" aria-label="Log">
      <header class="bar">
        <h3>Log</h3>
        <span class="pale">
          {count(props.execution.lines)} {props.execution.lines === 1 ? "line" : "lines"}
          <Show when={props.execution.stderr}>, {count(props.execution.stderr)} on stderr</Show>
        </span>
        <span class="push" />
        <button
          type="button"
          class="bare"
          aria-pressed={timestamps()}
          onClick={toggleTimestamps}
          aria-label="Times"
          title="Times"
        >
          <Icon name="clock" />
        </button>
        <button
          type="button"
          class="bare"
          onClick={copy}
          aria-label="Copy"
          title="Copy the selection, or all"
        >
          <Icon name="copy" />
        </button>
        <button type="button" class="bare" onClick={download} aria-label="Download" title="Download">
          <Icon name="download" />
        </button>
        <button
          type="button"
          class="small follow"
          classList={{ filled: follow() && !hasEnded(props.execution) }}
          onClick={resume}
        >
          <Icon name="download" />
          {hasEnded(props.execution) ? "Jump to end" : follow() ? "Following" : "Follow"}
        </button>
      </header>
      <div class="log-frame">
        <Show when={sticky()}>
          {(text) => (
            <div class="log-row heading sticky" aria-hidden="true">
              <strong>{text()}</strong>
            </div>
          )}
        </Show>
        <div
          ref={scroller}
          class="log-scroll"
          role="log"
          aria-live="off"
          aria-label="Lines"
          tabindex="0"
          onScroll={scrolled}
        >
          <Show when={lead()}>
            <div class="log-row gap lead">
              <strong>{count(dropped())} older rows are no longer held by this page.</strong>
            </div>
          </Show>
          <div class="log-rows" style={{ height: `${total() * ROW}px`, "--seq-width": `${gutter()}ch` }}>
            <For each={places()}>
              {(place) => {
                const row = props.log.row(place);
                return row ? <Row row={row} place={place - dropped()} heading={heading(row.text)} /> : null;
              }}
            </For>
          </div>
          <Show when={total() === 0}>
            <p class="empty">No output yet.</p>
          </Show>
        </div>
        <Show when={!follow() && below() > 0}>
          <button type="button" class="filled follow-below" onClick={resume}>
            <Icon name="download" /> Follow, {count(below())} new below <kbd>f</kbd>
          </button>
        </Show>
      </div>
    </section>
  );
}
