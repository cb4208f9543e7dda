/** Which cluster, how the connection is, and who this is. */
import { For, type JSX, Match, Show, Switch } from "solid-js";
import { now } from "../lib/clock";
import { checkCluster, chooseContext, cluster } from "../stores/cluster";
import { me } from "../stores/session";
import { theme, toggleTheme } from "../stores/settings";
import { Icon } from "./Icon";

function ClusterPicker(): JSX.Element {
  return (
    <Show when={cluster.context}>
      <div class="picker">
        <span class="quiet">cluster</span>
        <Show when={cluster.contexts.length > 1} fallback={<strong>{cluster.context}</strong>}>
          <select
            aria-label="Cluster"
            value={cluster.context}
            onChange={(event) => chooseContext(event.currentTarget.value)}
          >
            <For each={cluster.contexts}>{(name) => <option value={name}>{name}</option>}</For>
          </select>
        </Show>
        <Show when={cluster.demo}>
          <span class="tag dashed">DEMO</span>
        </Show>
      </div>
    </Show>
  );
}

function Connection(): JSX.Element {
  return (
    <div class="connection">
      <Switch fallback={<span class="status pale">Connecting…</span>}>
        <Match when={!cluster.host}>
          <span class="status warn">
            <Icon name="warning" /> Reconnecting in {Math.max(0, Math.ceil((cluster.retryAt - now()) / 1000))}{" "}
            s
          </span>
        </Match>
        <Match when={cluster.connected}>
          <span class="status ok">
            <span class="dot" aria-hidden="true" /> Connected
          </span>
          <span class="quiet">{cluster.version}</span>
        </Match>
        <Match when={cluster.known}>
          <span class="status bad" title={cluster.error}>
            <Icon name="failed" /> No cluster
          </span>
        </Match>
      </Switch>
    </div>
  );
}

/** Why there is no cluster, or no host, across the page: nothing can be applied before that is mended. */
export function ConnectionNote(): JSX.Element {
  return (
    <Switch>
      <Match when={!cluster.host}>
        <p class="note warn" role="status">
          The host does not answer. What runs there goes on; this page catches up when it is back.
        </p>
      </Match>
      <Match when={cluster.known && !cluster.connected}>
        <p class="note bad" role="status">
          <span>{cluster.error || "No cluster is connected."}</span>
          <button type="button" class="small" onClick={() => void checkCluster()}>
            Try again
          </button>
        </p>
      </Match>
    </Switch>
  );
}

export function TopBar(): JSX.Element {
  return (
    <header class="top-bar">
      <a class="brand" href="/apply">
        <Icon name="mark" />
        <strong>Moonsail</strong>
      </a>
      <ClusterPicker />
      <span class="push" />
      <Connection />
      <button
        type="button"
        class="bare"
        aria-label={theme() === "dark" ? "Light theme" : "Dark theme"}
        title={theme() === "dark" ? "Light theme" : "Dark theme"}
        onClick={toggleTheme}
      >
        <Icon name={theme() === "dark" ? "sun" : "moon"} />
      </button>
      <Show when={me()}>
        {(user) => (
          <span class="who">
            <Icon name="person" />
            <strong>{user().name}</strong>
            <span class="quiet">{user().role}</span>
          </span>
        )}
      </Show>
    </header>
  );
}
