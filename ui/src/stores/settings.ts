/** What this browser remembers. A browser that keeps nothing still works. */
import { createSignal } from "solid-js";

export function remembered(key: string): string | null {
  try {
    return localStorage.getItem(`moonsail.${key}`);
  } catch {
    return null;
  }
}

export function remember(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(`moonsail.${key}`);
    else localStorage.setItem(`moonsail.${key}`, value);
  } catch {
    // Full or forbidden: it holds for this page then.
  }
}

export type Theme = "light" | "dark";

const [theme, setThemeSignal] = createSignal<Theme>(
  document.documentElement.dataset.theme === "dark" ? "dark" : "light",
);

export { theme };

function showTheme(next: Theme): void {
  document.documentElement.dataset.theme = next;
  setThemeSignal(next);
}

export function toggleTheme(): void {
  const next = theme() === "dark" ? "light" : "dark";
  remember("theme", next);
  showTheme(next);
}

/** Follows the system until a person chooses. */
export function followSystemTheme(): void {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => {
    if (remembered("theme") === null) showTheme(event.matches ? "dark" : "light");
  });
}

const [timestamps, setTimestamps] = createSignal(remembered("timestamps") !== "off");

export { timestamps };

export function toggleTimestamps(): void {
  setTimestamps(!timestamps());
  remember("timestamps", timestamps() ? "on" : "off");
}
