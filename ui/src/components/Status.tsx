/** A status is always icon, word and colour. */
import type { JSX } from "solid-js";
import type { Shown } from "../stores/execution";
import { Icon, type IconName } from "./Icon";

const STATUS: Record<Shown, [IconName, string, string]> = {
  planned: ["planned", "Planned", "pale"],
  running: ["running", "Running", "accent"],
  succeeded: ["succeeded", "Succeeded", "ok"],
  failed: ["failed", "Failed", "bad"],
  cancelled: ["cancelled", "Cancelled", "quiet"],
  interrupted: ["interrupted", "Interrupted", "warn"],
  gone: ["interrupted", "No longer kept", "warn"],
};

export const statusWord = (status: Shown): string => STATUS[status][1];

export function Status(props: { status: Shown; wordless?: boolean }): JSX.Element {
  const look = () => STATUS[props.status];
  return (
    <span class={`status ${look()[2]}`}>
      <Icon name={look()[0]} />
      <span class={props.wordless ? "for-readers" : ""}>{look()[1]}</span>
    </span>
  );
}

const OUTCOME: Record<string, [IconName, string, string]> = {
  created: ["created", "created", "ok"],
  configured: ["configured", "configured", "accent"],
  unchanged: ["unchanged", "unchanged", "pale"],
  deleted: ["deleted", "deleted", "quiet"],
  failed: ["failed", "failed", "bad"],
  "in-doubt": ["doubt", "in doubt", "warn"],
  applying: ["running", "applying", "accent"],
  waiting: ["planned", "waiting", "pale"],
  deferred: ["planned", "not yet checked", "pale"],
  "not-started": ["planned", "not started", "pale"],
};

export function OutcomeWord(props: { outcome: string; dry?: boolean }): JSX.Element {
  const look = () => OUTCOME[props.outcome] ?? (["planned", props.outcome, "pale"] as const);
  const wouldBe = () => props.dry && ["created", "configured", "deleted"].includes(props.outcome);
  return (
    <span class={`status outcome ${look()[2]}`}>
      <Icon name={look()[0]} />
      <span>
        {wouldBe() && <span class="for-readers">would be </span>}
        {look()[1]}
      </span>
    </span>
  );
}
