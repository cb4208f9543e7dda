/** Numbers and times as the panel says them. */

/** `0.04 s`, `14.2 s`, `1 m 12 s`, `2 h 5 m`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds > 0 && seconds < 0.1) return `${Math.max(0.01, seconds).toFixed(2)} s`;
  if (seconds < 60) return `${(Math.floor(seconds * 10) / 10).toFixed(1)} s`;
  const whole = Math.floor(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} m`;
}

const two = (n: number) => String(n).padStart(2, "0");

/** `09:42:03` here and now. */
export function clock(ms: number): string {
  const d = new Date(ms);
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

/** `09:42:03.655` */
export function clockMs(ms: number): string {
  return `${clock(ms)}.${String(new Date(ms).getMilliseconds()).padStart(3, "0")}`;
}

/** The time today, the day and time before. */
export function started(ms: number, now: number): string {
  const d = new Date(ms);
  if (new Date(now).toDateString() === d.toDateString()) return clock(ms);
  return `${d.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${two(d.getHours())}:${two(d.getMinutes())}`;
}

const grouped = new Intl.NumberFormat("en-US");
export const count = (n: number) => grouped.format(n);

/** `1 document`, `4 documents`. */
export const many = (n: number, one: string, several = `${one}s`) => `${count(n)} ${n === 1 ? one : several}`;
