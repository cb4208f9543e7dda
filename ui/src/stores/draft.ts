/** The text in the editor, and where it goes. It survives a refresh, unless a Secret is in it. */
import { createMemo, createRoot, createSignal } from "solid-js";
import { examples } from "../lib/examples";
import { many } from "../lib/format";
import { documentsOf, holdsSecret } from "../lib/manifest";
import { cluster } from "./cluster";
import { startExecution } from "./executionPanel";
import { remember, remembered } from "./settings";

const first = examples[0]?.text ?? "";
const [text, setTextSignal] = createSignal(remembered("draft") ?? first);
const [namespace, setNamespaceSignal] = createSignal(remembered("namespace") ?? "default");
const [clusterWide, setClusterWide] = createSignal(false);
const [goToLine, setGoToLine] = createSignal(0);

export { clusterWide, goToLine, namespace, setClusterWide, setGoToLine, text };

export const documents = createRoot(() => createMemo(() => documentsOf(text())));
export const edited = (): boolean => !examples.some((example) => example.text === text());

let saving: ReturnType<typeof setTimeout> | undefined;

export function setText(next: string): void {
  setTextSignal(next);
  clearTimeout(saving);
  saving = setTimeout(() => remember("draft", holdsSecret(next) || !edited() ? null : next), 300);
}

export function setNamespace(next: string): void {
  setNamespaceSignal(next.trim());
  remember("namespace", next.trim());
}

/** Shows a text in the editor, with the cursor on a line of it. */
export function openInEditor(next: string, line: number): void {
  setText(next);
  setGoToLine(line);
}

/** Where Apply goes, for its button. */
export function target(): string {
  if (cluster.demo) return "demo";
  return clusterWide() ? "the cluster" : namespace() || "…";
}

/** What keeps Apply off, a sentence each; empty where nothing does. */
export function hindrances(): string[] {
  const found: string[] = [];
  if (!cluster.known) found.push("the cluster has not answered yet");
  else if (!cluster.host) found.push("the host does not answer");
  else if (!cluster.connected) found.push("no cluster is connected");
  if (!documents().length) found.push("there is nothing to apply");
  if (!namespace() && !clusterWide()) found.push("no namespace is named");
  else if (namespace() && !/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(namespace())) {
    found.push(`"${namespace()}" is no name for a namespace`);
  }
  return found;
}

function label(): string {
  const all = documents();
  const only = all[0];
  if (all.length === 1 && only?.kind) return `Apply ${only.kind} YAML: ${only.name}`;
  const named = new Set(all.map((document) => document.name).filter(Boolean));
  return `Apply ${many(all.length, "document")}${named.size === 1 ? `: ${[...named][0]}` : ""}`;
}

/** Sends the text as it stands. False where something is in the way. */
export function applyDraft(dryRun: boolean): boolean {
  if (hindrances().length) return false;
  startExecution({
    label: label(),
    command: "__k8s-apply-yaml",
    args: [],
    mode: dryRun ? "dry-run" : "apply",
    kubernetesEquivalent: true,
    namespace: namespace(),
    context: cluster.context,
    userAction: "panel-apply-yaml",
    dryRun,
    allowClusterWide: clusterWide(),
    action: "update",
    intent: "apply-yaml",
    yaml: text(),
  });
  return true;
}
