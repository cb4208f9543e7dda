/**
 * A host of its own with the demo cluster, and a browser at it. `open()` gives a page that also
 * holds what no page of the panel may do: speak to anybody else, break the policy, throw.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";

const root = fileURLToPath(new URL("../..", import.meta.url));
const binary = process.env.MOONSAIL ?? join(root, "build/release/moonsail");
const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find(existsSync) ?? "chromium";
/** The browser itself asks nobody: what leaves the host is then the panel's doing. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
];

export interface Host {
  url: string;
  post(path: string, body?: unknown): Promise<Record<string, unknown>>;
  get<T>(path: string): Promise<T>;
  stop(): Promise<void>;
  /** Ends it without a word; start() brings it back at the same port. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

function started(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = "";
    const late = setTimeout(() => reject(new Error(`the host did not start:\n${said}`)), 20_000);
    const read = (data: Buffer) => {
      said += data;
      const url = /listening on (\S+)/.exec(said)?.[1];
      if (url) {
        clearTimeout(late);
        resolve(url);
      }
    };
    child.stdout?.on("data", read);
    child.stderr?.on("data", read);
    child.once("exit", (code) => reject(new Error(`the host ended with ${code}:\n${said}`)));
  });
}

const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once("exit", () => resolve());
  });

export async function startHost(): Promise<Host> {
  const home = mkdtempSync(join(tmpdir(), "moonsail-browser-"));
  const run = (listen: string) =>
    spawn(binary, ["serve", "--demo", "--listen", listen, "--data", join(home, "data")], {
      env: { PATH: process.env.PATH, HOME: home, LANG: "C.UTF-8" },
      stdio: ["ignore", "pipe", "pipe"],
    });
  let child = run("127.0.0.1:0");
  const url = await started(child);
  const call = async (method: string, path: string, body?: unknown) => {
    const text = body === undefined ? "" : JSON.stringify(body);
    const init = method === "POST" ? { method, body: text, headers: { "Content-Type": "application/json" } } : { method };
    const answer = await fetch(url + path, init);
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  return {
    url,
    post: (path, body) => call("POST", path, body),
    get: (path) => call("GET", path),
    async stop() {
      child.kill("SIGTERM");
      const late = setTimeout(() => child.kill("SIGKILL"), 10_000);
      await ended(child);
      clearTimeout(late);
      rmSync(home, { recursive: true, force: true });
    },
    async kill() {
      child.kill("SIGKILL");
      await ended(child);
    },
    async start() {
      child = run(new URL(url).host);
      await started(child);
    },
  };
}

let browser: Browser | undefined;

export async function closeBrowser(): Promise<void> {
  await browser?.close();
  browser = undefined;
}

export interface Visit {
  context: BrowserContext;
  page: Page;
  /** What the page did that it must not. */
  faults: string[];
}

export async function newContext(options: BrowserContextOptions = {}): Promise<BrowserContext> {
  browser ??= await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  context.setDefaultTimeout(15_000);
  return context;
}

export async function open(host: Host, path = "/", context?: BrowserContext): Promise<Visit> {
  const own = context ?? (await newContext());
  const page = await own.newPage();
  const faults: string[] = [];
  const origin = new URL(host.url).host;
  const look = (address: string) => {
    const url = new URL(address);
    if (url.host !== origin && url.protocol !== "blob:") faults.push(`left the host: ${address}`);
  };
  page.on("request", (request) => look(request.url()));
  page.on("websocket", (socket) => look(socket.url()));
  page.on("pageerror", (error) => faults.push(`threw: ${error.message}`));
  page.on("console", (message) => {
    if (/Content.Security.Policy/i.test(message.text())) faults.push(message.text());
  });
  await page.goto(host.url + path);
  return { context: own, page, faults };
}

export const dock = (page: Page) => page.locator(".dock");

export async function sees(page: Page, selector: string, text: string | RegExp): Promise<void> {
  await page.locator(selector).filter({ hasText: text }).first().waitFor();
}

/** Puts a text into the editor as a person would: all of it, pasted. */
export async function write(page: Page, text: string): Promise<void> {
  const content = page.locator(".cm-content");
  await content.click();
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText(text);
}

export const example = (page: Page, title: string) => page.getByRole("button", { name: title }).click();
