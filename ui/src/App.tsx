import { createEffect, type JSX, Match, onCleanup, onMount, Show, Switch } from "solid-js";
import { Announcer } from "./components/Announcer";
import { ExecutionPanel } from "./components/ExecutionPanel";
import { Icon, type IconName } from "./components/Icon";
import { ConnectionNote, TopBar } from "./components/TopBar";
import { address, followLink, navigate } from "./lib/router";
import { ApplyPage } from "./pages/ApplyPage";
import { ExecutionsPage } from "./pages/ExecutionsPage";
import { checkCluster } from "./stores/cluster";
import {
  autoReattachMostRecentRunning,
  loadRecentExecutions,
  panel,
  runningCount,
} from "./stores/executionPanel";
import { loadMe } from "./stores/session";
import { followSystemTheme, remember, remembered } from "./stores/settings";

const RECENT_EVERY_MS = 5000;
const REGIONS = [".top-bar a", ".navigation a", "main", ".dock"];

function NavLink(props: { href: string; icon: IconName; children: JSX.Element }): JSX.Element {
  const here = () => address().pathname.startsWith(props.href);
  return (
    <li>
      <a href={props.href} aria-current={here() ? "page" : undefined}>
        <Icon name={props.icon} />
        {props.children}
      </a>
    </li>
  );
}

function Navigation(): JSX.Element {
  return (
    <nav class="navigation" aria-label="Pages">
      <ul>
        <NavLink href="/apply" icon="apply">
          <span>Apply YAML</span>
        </NavLink>
        <NavLink href="/executions" icon="history">
          <span>Executions</span>
          <Show when={runningCount()}>
            <span class="badge">{runningCount()} running</span>
          </Show>
        </NavLink>
      </ul>
    </nav>
  );
}

/** F6 goes round the regions of the page. */
function nextRegion(event: KeyboardEvent): void {
  if (event.key !== "F6") return;
  event.preventDefault();
  const regions = REGIONS.map((query) => document.querySelector<HTMLElement>(query));
  const at = regions.findIndex(
    (region) =>
      region?.parentElement?.contains(document.activeElement) && region.contains(document.activeElement),
  );
  for (let step = 1; step <= regions.length; step++) {
    const region = regions[(at + step * (event.shiftKey ? -1 : 1) + regions.length * 2) % regions.length];
    const inside = region?.matches("a, main")
      ? region
      : region?.querySelector<HTMLElement>('[aria-selected="true"], button');
    if (inside) {
      inside.focus();
      return;
    }
  }
}

function page(): "apply" | "executions" | "none" {
  const path = address().pathname;
  if (path === "/apply") return "apply";
  return /^\/executions(\/[^/]+)?$/.test(path) ? "executions" : "none";
}

export function App(): JSX.Element {
  onMount(() => {
    followSystemTheme();
    void loadMe();
    void checkCluster();
    void autoReattachMostRecentRunning();
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") void loadRecentExecutions();
    }, RECENT_EVERY_MS);
    const shown = () => {
      if (document.visibilityState === "visible") void checkCluster();
    };
    document.addEventListener("click", followLink);
    document.addEventListener("keydown", nextRegion);
    document.addEventListener("visibilitychange", shown);
    onCleanup(() => {
      clearInterval(timer);
      document.removeEventListener("click", followLink);
      document.removeEventListener("keydown", nextRegion);
      document.removeEventListener("visibilitychange", shown);
    });
  });
  createEffect(() => {
    if (address().pathname === "/") navigate(remembered("page") ?? "/apply", { replace: true });
    else if (page() !== "none") remember("page", `/${page()}`);
  });
  return (
    <div class="app" classList={{ covered: panel.dock === "maximised" }}>
      <a class="skip" href="#main">
        Skip to the page
      </a>
      <TopBar />
      <div class="middle">
        <Navigation />
        <main id="main" tabindex="-1">
          <ConnectionNote />
          <Switch
            fallback={
              <p class="empty">
                Nothing is at <code>{address().pathname}</code>. <a href="/apply">Apply YAML</a>
              </p>
            }
          >
            <Match when={page() === "apply"}>
              <ApplyPage />
            </Match>
            <Match when={page() === "executions"}>
              <ExecutionsPage />
            </Match>
            <Match when={address().pathname === "/"}>{null}</Match>
          </Switch>
        </main>
      </div>
      <ExecutionPanel />
      <Announcer />
    </div>
  );
}
