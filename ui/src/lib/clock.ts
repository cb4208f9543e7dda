/** One timer for every clock on the page: 10 Hz while something runs and the page is shown. */
import { createSignal } from "solid-js";

const [now, setNow] = createSignal(Date.now());

export { now };

let ticking: ReturnType<typeof setInterval> | undefined;

export function tick(on: boolean): void {
  const wanted = on && document.visibilityState === "visible";
  if (wanted && ticking === undefined) {
    setNow(Date.now());
    ticking = setInterval(() => setNow(Date.now()), 100);
  } else if (!wanted && ticking !== undefined) {
    clearInterval(ticking);
    ticking = undefined;
    setNow(Date.now());
  }
}
