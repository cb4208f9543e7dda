/**
 * The rows of one execution's log in bounded memory.
 *
 * Rows lie in chunks of CHUNK; a full chunk becomes one string with offsets, not an object a row.
 * Beyond the limit the oldest chunk goes, and `dropped` tells how many rows went with it. A row's
 * place is its number since the start, so it never moves.
 */
export const CHUNK = 1024;
export const MAX_BYTES = 64 * 1024 * 1024;
/** 18 px each stay under the height that every browser can draw. */
export const MAX_ROWS = 900_000;

export type RowKind = "stdout" | "stderr" | "phase" | "gap";
const KINDS: readonly RowKind[] = ["stdout", "stderr", "phase", "gap"];

export interface LogRow {
  kind: RowKind;
  /** The event's seq; of a gap, the first that is missing. */
  seq: number;
  /** Milliseconds since the epoch; of a gap, the last seq that is missing. */
  time: number;
  text: string;
}

interface Chunk {
  text: string;
  /** The texts of a chunk that is not full yet. */
  open: string[] | null;
  offsets: Uint32Array;
  kinds: Uint8Array;
  seqs: Float64Array;
  times: Float64Array;
  count: number;
  bytes: number;
}

function newChunk(): Chunk {
  return {
    text: "",
    open: [],
    offsets: new Uint32Array(0),
    kinds: new Uint8Array(CHUNK),
    seqs: new Float64Array(CHUNK),
    times: new Float64Array(CHUNK),
    count: 0,
    bytes: CHUNK * 17,
  };
}

function closeChunk(chunk: Chunk): void {
  const texts = chunk.open ?? [];
  chunk.offsets = new Uint32Array(texts.length + 1);
  let at = 0;
  for (let i = 0; i < texts.length; i++) {
    chunk.offsets[i] = at;
    at += texts[i]?.length ?? 0;
  }
  chunk.offsets[texts.length] = at;
  chunk.text = texts.join("");
  chunk.open = null;
}

export class LogBuffer {
  private chunks: Chunk[] = [];
  private first = 0;
  private bytes = 0;
  private headings: number[] = [];
  /** Rows that are no longer held here. */
  dropped = 0;
  /** Rows that ever came. */
  end = 0;
  lines = 0;
  stderr = 0;

  constructor(
    private readonly maxBytes = MAX_BYTES,
    private readonly maxRows = MAX_ROWS,
  ) {}

  append(kind: RowKind, seq: number, time: number, text: string): void {
    let chunk = this.chunks[this.chunks.length - 1];
    if (!chunk?.open) {
      chunk = newChunk();
      this.chunks.push(chunk);
      this.bytes += chunk.bytes;
    }
    if (kind === "phase") this.headings.push(this.end);
    if (kind === "stdout" || kind === "stderr") this.lines++;
    if (kind === "stderr") this.stderr++;
    chunk.kinds[chunk.count] = KINDS.indexOf(kind);
    chunk.seqs[chunk.count] = seq;
    chunk.times[chunk.count] = time;
    chunk.open?.push(text);
    chunk.count++;
    this.end++;
    const cost = text.length * 2;
    chunk.bytes += cost;
    this.bytes += cost;
    if (chunk.count === CHUNK) closeChunk(chunk);
    while (this.chunks.length > 1 && (this.bytes > this.maxBytes || this.end - this.dropped > this.maxRows)) {
      this.dropOldest();
    }
  }

  private dropOldest(): void {
    const oldest = this.chunks.shift();
    if (!oldest) return;
    this.bytes -= oldest.bytes;
    this.first += CHUNK;
    this.dropped = this.first;
    while (this.headings.length > 1 && (this.headings[1] ?? 0) < this.dropped) this.headings.shift();
  }

  /** The row at its place, from `dropped` to `end` - 1. */
  row(place: number): LogRow | undefined {
    const chunk = this.chunks[Math.floor((place - this.first) / CHUNK)];
    const at = (place - this.first) % CHUNK;
    if (place < this.dropped || !chunk || at >= chunk.count) return undefined;
    const text = chunk.open ? chunk.open[at] : chunk.text.slice(chunk.offsets[at], chunk.offsets[at + 1]);
    return {
      kind: KINDS[chunk.kinds[at] ?? 0] ?? "stdout",
      seq: chunk.seqs[at] ?? 0,
      time: chunk.times[at] ?? 0,
      text: text ?? "",
    };
  }

  /** The place of the phase heading that `place` stands under; -1 where there is none. */
  headingOf(place: number): number {
    let low = 0;
    let high = this.headings.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.headings[middle] ?? 0) <= place) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? -1 : (this.headings[low - 1] ?? -1);
  }

  /** All that is held, as plain text without colours. */
  text(plain: (text: string) => string): string {
    const out: string[] = [];
    for (let place = this.dropped; place < this.end; place++) {
      const row = this.row(place);
      if (row && (row.kind === "stdout" || row.kind === "stderr")) out.push(plain(row.text));
    }
    return out.join("\n");
  }
}
