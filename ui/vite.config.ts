import solid from "vite-plugin-solid";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [solid()],
  build: {
    outDir: "../build/ui",
    emptyOutDir: true,
    target: "es2022",
    // The host's Content-Security-Policy knows no data: addresses and no inline script.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: { "/api": { target: "http://127.0.0.1:7070", ws: true } } },
  test: { environment: "jsdom", include: ["src/**/*.test.ts"] },
});
