/** One set of 16 px line icons, drawn with the colour of the text they stand beside. */
import type { JSX } from "solid-js";

const filled = { fill: "currentColor", stroke: "none" } as const;

const ICONS = {
  mark: () => (
    <>
      <path d="M9 1.5v9H2.5C5 8.5 7.5 5.5 9 1.500z" fill="currentColor" />
      <path d="M11 5c1 1.5 1.8 3.5 2 5.500h-2zM1.500 12.500h13l-1.5 2H3.500z" />
    </>
  ),
  apply: () => <path d="M3 2.500h10M8 14V6M4.500 9 8 5.5 11.5 9" />,
  history: () => <path d="M2.500 8a5.500 5.5 0 1 0 1.8-4.100L2.500 5.500M2.500 2.500v3h3M8 5v3.200l2 1.3" />,
  chevron: () => <path d="m4 6 4 4 4-4" />,
  moon: () => <path d="M13.500 9.500A6 6 0 0 1 6.5 2.500a6 6 0 1 0 7 7z" />,
  sun: () => (
    <>
      <circle cx="8" cy="8" r="2.8" />
      <path d="M8 1.500V3M8 13v1.500M1.500 8H3M13 8h1.500M3.400 3.400l1 1M11.600 11.600l1 1M3.400 12.600l1-1M11.600 4.400l1-1" />
    </>
  ),
  person: () => (
    <path d="M8 8.500a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM2.500 14c.6-2.5 2.6-3.8 5.5-3.800s4.900 1.3 5.5 3.800z" />
  ),
  file: () => <path d="M3.500 1.500h6l3 3v10h-9zM9.500 1.500v3h3" />,
  copy: () => <path d="M5.500 5.500h8v8h-8zM10.500 5.500v-3h-8v8h3" />,
  clock: () => <path d="M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 4.800V8l2.200 1.5" />,
  download: () => <path d="M8 2v8M4.500 7 8 10.5 11.5 7M3 13.500h10" />,
  maximise: () => <path d="M9.500 2.500h4v4M13.500 2.5 9 7M6.500 13.500h-4v-4M2.500 13.5 7 9" />,
  restore: () => <path d="M13.500 6.500h-4v-4M9.500 6.500l4-4M2.500 9.500h4v4M6.500 9.500l-4 4" />,
  fold: () => <path d="M8 2v6M5 5.5 8 8.500l3-3M2.500 12.500h11" />,
  unfold: () => <path d="M8 9V3M5 5.500l3-3 3 3M2.500 12.500h11" />,
  close: () => <path d="m4 4 8 8M12 4l-8 8" />,
  stop: () => <path d="M5 5h6v6H5z" fill="currentColor" />,
  retry: () => <path d="M13.200 6.500A5.500 5.5 0 1 0 13.5 9M13.500 2.500v4h-4" />,
  pencil: () => <path d="M2.500 13.5 3.2 10.5 10.8 2.900l2.300 2.300L5.500 12.800z" />,
  search: () => <path d="M7 11.500a4.500 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.300 10.3 14 14" />,
  planned: () => <circle cx="8" cy="8" r="5.5" stroke-dasharray="2 2.3" />,
  running: () => (
    <g class="turning">
      <path d="M8 2.500a5.500 5.5 0 1 1-5.5 5.5" stroke-width="2" />
      <path d="M4.300 3.500l.5.6" />
    </g>
  ),
  succeeded: () => (
    <>
      <circle cx="8" cy="8" r="6.3" {...filled} />
      <path d="m5.200 8.2 2 2 3.7-4" class="cut" />
    </>
  ),
  failed: () => (
    <>
      <path d="M5.300 1.700h5.400l3.600 3.600v5.400l-3.6 3.600H5.300l-3.6-3.600V5.300z" {...filled} />
      <path d="m5.800 5.8 4.4 4.400M10.200 5.800l-4.4 4.4" class="cut" />
    </>
  ),
  cancelled: () => (
    <>
      <circle cx="8" cy="8" r="5.8" />
      <path d="M6 6h4v4H6z" fill="currentColor" />
    </>
  ),
  interrupted: () => (
    <path d="M3.500 5A5.500 5.5 0 0 1 11 3.400M12.500 11A5.500 5.5 0 0 1 5 12.600M9.500 5 7 8h3l-2.5 3" />
  ),
  created: () => <path d="M8 3v10M3 8h10" stroke-width="2" />,
  configured: () => <path d="M8 3.2 13.3 12.500H2.700z" stroke-width="1.8" />,
  unchanged: () => <path d="M3 6h10M3 10h10" stroke-width="1.8" />,
  deleted: () => <path d="M3 8h10" stroke-width="2" />,
  doubt: () => (
    <path d="M5.500 5.500a2.500 2.5 0 1 1 3.5 2.300c-.7.3-1 .8-1 1.700M8 12.300v.2" stroke-width="1.8" />
  ),
  warning: () => <path d="M8 2.5 14.2 13.500H1.800zM8 6.500v3.200M8 11.500v.2" />,
};

export type IconName = keyof typeof ICONS;

/** Hidden from readers: a word stands beside every icon, or the button has a label. */
export function Icon(props: { name: IconName; class?: string }): JSX.Element {
  return (
    <svg
      class={`icon ${props.class ?? ""}`}
      viewBox="0 0 16 16"
      width="16"
      height="16"
      fill="none"
      stroke="currentColor"
      stroke-width="1.5"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      {ICONS[props.name]()}
    </svg>
  );
}
