import { describe, expect, it } from "vitest";
import { commandText } from "../components/CommandPreview";
import { examples } from "./examples";
import { duration } from "./format";
import { documentsOf, holdsSecret } from "./manifest";

describe("the documents of a manifest", () => {
  it("are named as the host names them, with their first line", () => {
    const text = `# a comment
---
apiVersion: apps/v1
kind: Deployment
metadata:
  labels: { name: no }
  name: "web"
  namespace: shop
spec:
  name: no
---

---
# another
kind: Service
apiVersion: v1
metadata: { labels: {}, name: 'web', namespace: n }
`;
    expect(documentsOf(text)).toEqual([
      { line: 3, kind: "Deployment", name: "web", namespace: "shop", ref: "deployment.apps/web" },
      { line: 15, kind: "Service", name: "web", namespace: "n", ref: "service/web" },
    ]);
  });

  it("are none where there is only space", () => {
    expect(documentsOf("")).toEqual([]);
    expect(documentsOf("---\n# nothing\n---\n")).toEqual([]);
  });

  it("of each example can be named", () => {
    for (const example of examples) {
      for (const document of documentsOf(example.text))
        expect(document.ref).toMatch(/^[a-z.0-9]+\/[a-z0-9-]+$/);
    }
  });
});

it("a text with a Secret is told from others", () => {
  expect(holdsSecret("kind: ConfigMap\n---\nkind: Secret\n")).toBe(true);
  expect(holdsSecret('"kind": "Secret"')).toBe(true);
  expect(holdsSecret("kind: SecretStore\n")).toBe(false);
  expect(holdsSecret("data:\n  x: Secret\n")).toBe(false);
});

it("the command is one that a shell takes as it stands", () => {
  const p = { context: "it's mine", namespace: "shop", dryRun: true, clusterWide: true };
  expect(commandText("kubectl", p)).toBe(
    "kubectl apply --server-side --context 'it'\\''s mine' -n shop --dry-run=server -f manifest.yaml",
  );
  expect(commandText("moonsail", p)).toBe(
    "moonsail apply --context 'it'\\''s mine' -n shop --cluster-wide --dry-run -f manifest.yaml",
  );
});

it("durations are read at a glance", () => {
  expect([0, 12, 40, 99, 100, 14_250, 59_999, 72_000, 7_500_000].map(duration)).toEqual([
    "0.0 s",
    "0.01 s",
    "0.04 s",
    "0.10 s",
    "0.1 s",
    "14.2 s",
    "59.9 s",
    "1 m 12 s",
    "2 h 5 m",
  ]);
});
