/**
 * The editor, in a shadow tree: there CodeMirror brings its styles as constructed sheets, which
 * the host's Content-Security-Policy lets through without an exception.
 */
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import {
  bracketMatching,
  HighlightStyle,
  indentOnInput,
  indentUnit,
  syntaxHighlighting,
} from "@codemirror/language";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { EditorState } from "@codemirror/state";
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  keymap,
  lineNumbers,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { createEffect, type JSX, onCleanup, onMount } from "solid-js";

export interface YamlEditorProps {
  value: string;
  onChange: (value: string) => void;
  /** A line to go to; from 1, 0 for none. */
  line: number;
  onLine: () => void;
  onApply: (dryRun: boolean) => void;
  /** A line that the cursor is on. */
  onCursor?: (line: number) => void;
}

const look = EditorView.theme({
  "&": { height: "100%", color: "var(--text-1)", backgroundColor: "var(--bg)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", fontSize: "12.5px", lineHeight: "19px" },
  ".cm-content": { padding: "4px 0", caretColor: "var(--text-1)" },
  ".cm-cursor": { borderLeftColor: "var(--text-1)" },
  ".cm-gutters": { backgroundColor: "var(--bg)", color: "var(--text-3)", border: "none" },
  ".cm-lineNumbers .cm-gutterElement": { minWidth: "56px", padding: "0 16px 0 0" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--hover)" },
  ".cm-selectionBackground, &.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground": {
    backgroundColor: "var(--selected)",
  },
  ".cm-selectionMatch, .cm-searchMatch": { backgroundColor: "var(--hit)" },
  ".cm-matchingBracket": { backgroundColor: "transparent", outline: "1px solid var(--edge)" },
  ".cm-panels": { backgroundColor: "var(--chrome)", color: "var(--text-1)" },
});

const colors = syntaxHighlighting(
  HighlightStyle.define([
    { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--yaml-key)" },
    { tag: [tags.string, tags.content], color: "var(--yaml-string)" },
    { tag: [tags.number, tags.bool, tags.null], color: "var(--yaml-number)" },
    { tag: [tags.comment, tags.meta], color: "var(--yaml-comment)" },
    { tag: [tags.punctuation, tags.separator, tags.squareBracket, tags.brace], color: "var(--text-2)" },
  ]),
);

/**
 * Chromium gives what is typed over a coloured selection a style attribute, which the policy
 * blocks aloud. So the selection is replaced here, and the browser has nothing to dress.
 */
function typeOver(event: InputEvent, view: EditorView): boolean {
  if (event.inputType !== "insertText" || event.data === null || event.isComposing || !event.cancelable)
    return false;
  if (view.state.selection.ranges.every((range) => range.empty)) return false;
  event.preventDefault();
  view.dispatch(view.state.replaceSelection(event.data), { userEvent: "input.type", scrollIntoView: true });
  return true;
}

export default function YamlEditor(props: YamlEditorProps): JSX.Element {
  let host!: HTMLDivElement;
  onMount(() => {
    const root = host.attachShadow({ mode: "open" });
    const run = (dryRun: boolean) => () => {
      props.onApply(dryRun);
      return true;
    };
    const view = new EditorView({
      root,
      parent: root,
      state: EditorState.create({
        doc: props.value,
        extensions: [
          keymap.of([
            { key: "Mod-Enter", run: run(false) },
            { key: "Mod-Shift-Enter", run: run(true) },
            // Esc, then Tab leaves the editor, so that the keyboard is never caught in it.
            ...searchKeymap,
            ...defaultKeymap,
            ...historyKeymap,
            indentWithTab,
          ]),
          lineNumbers(),
          highlightActiveLine(),
          highlightActiveLineGutter(),
          drawSelection(),
          history(),
          bracketMatching(),
          indentOnInput(),
          indentUnit.of("  "),
          highlightSelectionMatches(),
          search({ top: true }),
          yaml(),
          colors,
          look,
          EditorView.contentAttributes.of({ "aria-label": "Manifest, YAML", tabindex: "0" }),
          EditorView.domEventHandlers({ beforeinput: typeOver }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) props.onChange(update.state.doc.toString());
            if (update.selectionSet || update.docChanged) {
              props.onCursor?.(update.state.doc.lineAt(update.state.selection.main.head).number);
            }
          }),
        ],
      }),
    });
    createEffect(() => {
      const next = props.value;
      if (next === view.state.doc.toString()) return;
      view.dispatch({
        changes: { from: 0, to: view.state.doc.length, insert: next },
        selection: { anchor: 0 },
      });
    });
    createEffect(() => {
      if (!props.line) return;
      const line = view.state.doc.line(Math.min(props.line, view.state.doc.lines));
      view.dispatch({
        selection: { anchor: line.from },
        effects: EditorView.scrollIntoView(line.from, { y: "start", yMargin: 40 }),
      });
      view.focus();
      props.onLine();
    });
    onCleanup(() => view.destroy());
  });
  return <div ref={host} class="editor" />;
}
