/** The address bar as a signal. Links are plain `<a href>`; Layout hands their clicks here. */
import { createSignal } from "solid-js";

const read = () => new URL(location.href);
const [address, setAddress] = createSignal(read());

export { address };

export function navigate(to: string, options: { replace?: boolean } = {}): void {
  if (options.replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  setAddress(read());
}

addEventListener("popstate", () => setAddress(read()));

/** Follows a click on a link of this panel; leaves new tabs, downloads and other hosts to the browser. */
export function followLink(event: MouseEvent): void {
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  if (!link || event.defaultPrevented || event.button !== 0) return;
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  if (link.origin !== location.origin || link.target || link.pathname.startsWith("/api/")) return;
  event.preventDefault();
  navigate(link.pathname + link.search);
}
