/** A manifest in an editor, where it goes, and the one button. */
import {
  createEffect,
  createSignal,
  For,
  type JSX,
  lazy,
  on,
  onCleanup,
  onMount,
  Show,
  Suspense,
  untrack,
} from "solid-js";
import { CommandPreview } from "../components/CommandPreview";
import { focusTab } from "../components/ExecutionPanel";
import { Icon } from "../components/Icon";
import { examples } from "../lib/examples";
import { many } from "../lib/format";
import { address, navigate } from "../lib/router";
import { cluster } from "../stores/cluster";
import {
  applyDraft,
  clusterWide,
  documents,
  edited,
  goToLine,
  hindrances,
  namespace,
  setClusterWide,
  setGoToLine,
  setNamespace,
  setText,
  target,
  text,
} from "../stores/draft";
import { panel } from "../stores/executionPanel";

const YamlEditor = lazy(() => import("../components/YamlEditor"));
/** More buttons than this are no help. */
const DOCUMENT_BUTTONS = 8;
const LARGEST = 8 * 1024 * 1024;

function Examples(): JSX.Element {
  const take = (id: string) => {
    const example = examples.find((one) => one.id === id);
    if (!example) return;
    setText(example.text);
    setGoToLine(1);
    navigate(`/apply?example=${id}`, { replace: true });
  };
  return (
    <fieldset class="segments" aria-label="Example">
      <For each={examples}>
        {(example) => (
          <button type="button" aria-pressed={text() === example.text} onClick={() => take(example.id)}>
            {example.title}
          </button>
        )}
      </For>
    </fieldset>
  );
}

function DocumentButtons(props: { cursor: number }): JSX.Element {
  const current = () => documents().findLastIndex((document) => document.line <= props.cursor);
  return (
    <Show when={documents().length > 1 && documents().length <= DOCUMENT_BUTTONS}>
      <span class="pale push">Document</span>
      <fieldset class="segments" aria-label="Document">
        <For each={documents()}>
          {(document, i) => (
            <button type="button" aria-pressed={current() === i()} onClick={() => setGoToLine(document.line)}>
              {i() + 1} {document.kind || "no kind"}
            </button>
          )}
        </For>
      </fieldset>
    </Show>
  );
}

function OpenFiles(props: { onError: (said: string) => void }): JSX.Element {
  let input!: HTMLInputElement;
  const take = async (files: readonly File[]) => {
    const size = files.reduce((sum, file) => sum + file.size, 0);
    if (!files.length) return;
    if (size > LARGEST) {
      props.onError(`This manifest is ${(size / 1024 / 1024).toFixed(1)} MiB; the limit is 8 MiB.`);
      return;
    }
    const texts = await Promise.all(files.map((file) => file.text()));
    setText(texts.map((one) => one.replace(/\n*$/, "\n")).join("---\n"));
    props.onError("");
  };
  onMount(() => {
    const over = (event: DragEvent) => event.preventDefault();
    const drop = (event: DragEvent) => {
      if (!event.dataTransfer?.files.length) return;
      event.preventDefault();
      void take([...event.dataTransfer.files]);
    };
    addEventListener("dragover", over);
    addEventListener("drop", drop, true);
    onCleanup(() => {
      removeEventListener("dragover", over);
      removeEventListener("drop", drop, true);
    });
  });
  return (
    <>
      <input
        ref={input}
        type="file"
        multiple
        accept=".yaml,.yml,.json"
        hidden
        onChange={() => void take([...(input.files ?? [])]).then(() => (input.value = ""))}
      />
      <button type="button" onClick={() => input.click()}>
        <Icon name="file" /> Open files…
      </button>
    </>
  );
}

function Target(): JSX.Element {
  return (
    <div class="target">
      <span>{many(documents().length, "document")} into namespace</span>
      <input
        class="small"
        aria-label="Namespace"
        value={namespace()}
        spellcheck={false}
        autocomplete="off"
        maxlength={63}
        size={Math.max(10, namespace().length + 1)}
        onInput={(event) => setNamespace(event.currentTarget.value)}
      />
      <Show when={cluster.context}>
        <span>of {cluster.demo ? "the demo cluster" : cluster.context}</span>
      </Show>
      <label class="check">
        <input
          type="checkbox"
          checked={clusterWide()}
          onChange={(event) => setClusterWide(event.currentTarget.checked)}
        />
        Other namespaces and cluster-wide kinds too
      </label>
    </div>
  );
}

function ApplyBar(props: { onApply: (dryRun: boolean) => void }): JSX.Element {
  const off = () => hindrances();
  return (
    <div class="apply-bar">
      <Target />
      <Show when={off().length}>
        <p id="apply-waits" class="waits">
          Apply waits: {off().join(", ")}.
        </p>
      </Show>
      <div class="actions">
        {/* Off, a button stays in reach and says why. */}
        <button
          type="button"
          class="dashed"
          aria-disabled={off().length > 0}
          aria-describedby={off().length ? "apply-waits" : undefined}
          onClick={() => props.onApply(true)}
        >
          Dry run <kbd>Ctrl ⇧ ↵</kbd>
        </button>
        <button
          type="button"
          class="filled"
          id="apply"
          aria-disabled={off().length > 0}
          aria-describedby={off().length ? "apply-waits" : undefined}
          onClick={() => props.onApply(false)}
        >
          Apply to {target()} <kbd>Ctrl ↵</kbd>
        </button>
      </div>
    </div>
  );
}

export function ApplyPage(): JSX.Element {
  const [cursor, setCursor] = createSignal(1);
  const [fault, setFault] = createSignal("");
  const apply = (dryRun: boolean) => {
    if (applyDraft(dryRun)) focusTab();
  };
  // A link to an example opens it, but never over a text that somebody has written.
  createEffect(
    on(
      () => address().searchParams.get("example"),
      (id) => {
        const example = examples.find((one) => one.id === id);
        if (example && !edited()) setText(example.text);
      },
    ),
  );
  // At the first visit there is one thing to do, and it has the focus.
  createEffect(() => {
    const busy = edited() || untrack(() => panel.tabs.length) || document.activeElement !== document.body;
    if (cluster.demo && !busy) document.getElementById("apply")?.focus();
  });
  const keys = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.defaultPrevented) return;
    event.preventDefault();
    apply(event.shiftKey);
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: a shortcut for what its buttons do
    <div class="page apply-page" onKeyDown={keys}>
      <header class="page-head">
        <h1>Apply YAML</h1>
        <p class="quiet">Paste, drop files anywhere, or start from an example.</p>
        <Show when={edited()}>
          <p class="pale">edited, kept in this browser</p>
        </Show>
        <span class="push" />
        <OpenFiles onError={setFault} />
      </header>
      <Show when={cluster.demo}>
        <p class="demo-note">
          <span class="tag dashed">DEMO</span>
          <span>
            <strong>This is the demo cluster.</strong> It ships with the host, behaves like Kubernetes, and
            nothing in it is real. Press <strong>Apply to demo</strong> and watch it happen below.
          </span>
        </p>
      </Show>
      <Show when={fault()}>
        <p class="banner bad" role="alert">
          {fault()}
        </p>
      </Show>
      <div class="page-bar">
        <span class="pale">Example</span>
        <Examples />
        <DocumentButtons cursor={cursor()} />
      </div>
      <div class="editor-frame">
        <Suspense fallback={<p class="empty">Loading the editor…</p>}>
          <YamlEditor
            value={text()}
            onChange={setText}
            line={goToLine()}
            onLine={() => setGoToLine(0)}
            onApply={apply}
            onCursor={setCursor}
          />
        </Suspense>
      </div>
      <CommandPreview context={cluster.context} namespace={namespace()} clusterWide={clusterWide()} />
      <ApplyBar onApply={apply} />
    </div>
  );
}
