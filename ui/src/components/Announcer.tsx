/** What a reader hears: the status of what is shown, at most once in 2 s; a failure at once. */
import { createEffect, createSignal, type JSX, onCleanup } from "solid-js";
import { hasEnded, shownStatus } from "../stores/execution";
import { activeExecution } from "../stores/executionPanel";
import { statusWord } from "./Status";

const EVERY_MS = 2000;

export function Announcer(): JSX.Element {
  const [polite, setPolite] = createSignal("");
  const [urgent, setUrgent] = createSignal("");
  let said = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  createEffect(() => {
    const e = activeExecution();
    if (!e) return;
    const status = shownStatus(e);
    const phase = e.phases.at(-1);
    const part = !hasEnded(e) && phase?.total ? `, ${phase.progress} of ${phase.total}` : "";
    const words = `${statusWord(status)}${part}: ${e.label}`;
    document.title = `${hasEnded(e) ? "" : part.slice(2)}${part ? " · " : ""}${e.label} · Moonsail`;
    clearTimeout(timer);
    if (status === "failed") {
      setUrgent(`${words}. ${e.error}`);
      return;
    }
    timer = setTimeout(
      () => {
        said = Date.now();
        setPolite(words);
      },
      Math.max(0, said + EVERY_MS - Date.now()),
    );
  });
  onCleanup(() => clearTimeout(timer));
  return (
    <>
      <div class="for-readers" role="status">
        {polite()}
      </div>
      <div class="for-readers" role="alert">
        {urgent()}
      </div>
    </>
  );
}
