/**
 * What can be seen of a manifest without parsing it: enough for a list of its documents. The
 * host reads it properly; nothing is decided by this.
 */
export interface ManifestDocument {
  /** The first line that is neither `---`, a comment nor empty; from 1. */
  line: number;
  kind: string;
  name: string;
  namespace: string;
  /** `deployment.apps/web`, as the host names it. */
  ref: string;
}

const TOP = /^(apiVersion|kind):\s*["']?([^\s"'#]+)/;

function field(lines: string[], key: "name" | "namespace"): string {
  const at = lines.findIndex((line) => /^metadata:/.test(line));
  if (at < 0) return "";
  const flow = new RegExp(`[{,]\\s*${key}:\\s*["']?([^\\s"',}]+)`).exec(lines[at] ?? "");
  if (flow) return flow[1] ?? "";
  let indent = 0;
  for (const line of lines.slice(at + 1)) {
    if (/^\s*(#|$)/.test(line)) continue;
    const depth = line.length - line.trimStart().length;
    if (depth === 0) return "";
    indent ||= depth;
    const value = new RegExp(`^${key}:\\s*["']?([^\\s"'#]+)`).exec(line.trimStart());
    if (depth === indent && value) return value[1] ?? "";
  }
  return "";
}

function describe(lines: string[], first: number): ManifestDocument | null {
  const content = lines.findIndex((line) => !/^\s*(#|$)/.test(line));
  if (content < 0) return null;
  const tops: Record<string, string> = {};
  for (const line of lines) {
    const match = TOP.exec(line);
    if (match?.[1]) tops[match[1]] ??= match[2] ?? "";
  }
  const version = tops.apiVersion ?? "";
  const group = version.includes("/") ? version.slice(0, version.lastIndexOf("/")) : "";
  const kind = tops.kind ?? "";
  const name = field(lines, "name");
  return {
    line: first + content,
    kind,
    name,
    namespace: field(lines, "namespace"),
    ref: `${kind.toLowerCase()}${group ? `.${group}` : ""}/${name}`,
  };
}

export function documentsOf(text: string): ManifestDocument[] {
  const found: ManifestDocument[] = [];
  const lines = text.split("\n");
  let start = 0;
  for (let i = 0; i <= lines.length; i++) {
    if (i < lines.length && !/^---(\s|$)/.test(lines[i] ?? "")) continue;
    const document = describe(lines.slice(start, i), start + 1);
    if (document) found.push(document);
    start = i + 1;
  }
  return found;
}

/** Texts with a Secret in them are kept in memory only. */
export const holdsSecret = (text: string) => /^\s*["']?kind["']?:\s*["']?Secret\b/m.test(text);
