import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** tests/browser/: the panel in Debian's Chromium, through a real host with its demo cluster. */
export default defineConfig({
  root: here(".."),
  cacheDir: here("node_modules/.vite-browser"),
  resolve: {
    alias: {
      "playwright-core": here("node_modules/playwright-core"),
      "@axe-core/playwright": here("node_modules/@axe-core/playwright"),
    },
  },
  server: { fs: { strict: false } },
  test: {
    globals: true,
    environment: "node",
    include: ["tests/browser/*.test.ts"],
    // One browser, one host at a time: the machine may have two cores.
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
