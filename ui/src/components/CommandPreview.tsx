/** What one would type instead: the same act for kubectl, or for Moonsail's own command line. */
import { createSignal, type JSX } from "solid-js";
import { Icon } from "./Icon";

export interface CommandPreviewProps {
  context: string;
  namespace: string;
  dryRun?: boolean;
  clusterWide?: boolean;
  file?: string;
}

/** A word as a shell takes it. */
const quoted = (word: string) =>
  /^[A-Za-z0-9@%+=:,./_-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

export function commandText(tool: "kubectl" | "moonsail", p: CommandPreviewProps): string {
  const words = tool === "kubectl" ? ["kubectl", "apply", "--server-side"] : ["moonsail", "apply"];
  if (p.context) words.push("--context", p.context);
  if (p.namespace) words.push("-n", p.namespace);
  if (p.clusterWide && tool === "moonsail") words.push("--cluster-wide");
  if (p.dryRun) words.push(tool === "kubectl" ? "--dry-run=server" : "--dry-run");
  words.push("-f", p.file ?? "manifest.yaml");
  return words.map(quoted).join(" ");
}

export function CommandPreview(props: CommandPreviewProps): JSX.Element {
  const [tool, setTool] = createSignal<"kubectl" | "moonsail">("kubectl");
  const [copied, setCopied] = createSignal(false);
  const text = () => commandText(tool(), props);
  const copy = async () => {
    await navigator.clipboard.writeText(text()).catch(() => undefined);
    setCopied(true);
    setTimeout(() => setCopied(false), 2000);
  };
  return (
    <div class="command">
      <fieldset class="segments" aria-label="Command for">
        <button type="button" aria-pressed={tool() === "kubectl"} onClick={() => setTool("kubectl")}>
          kubectl
        </button>
        <button type="button" aria-pressed={tool() === "moonsail"} onClick={() => setTool("moonsail")}>
          moonsail
        </button>
      </fieldset>
      <code>{text()}</code>
      <button
        type="button"
        class="bare"
        onClick={copy}
        aria-label="Copy the command"
        title="Copy the command"
      >
        <Icon name={copied() ? "succeeded" : "copy"} />
      </button>
    </div>
  );
}
