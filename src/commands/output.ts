// What a command prints. For people: lines on stdout and a progress bar on a terminal. With --json: one line of JSON
// per event on stdout, nothing else. Errors always go to stderr.

const BAR_WIDTH = 24;
const REDRAW_MS = 80;

export interface Output {
  /** `fields` is the event with --json, `text` what a person reads; null: nothing. */
  event<Fields extends { event: string }>(fields: Fields, text: string | null): void;
  /** Redraws the bar; share from 0 to 1. `fields` go out with --json, at most a few times a second. */
  progress<Fields extends { event: string }>(fields: Fields, share: number, text: string): void;
}

export function createOutput(json: boolean, stream: NodeJS.WriteStream): Output {
  let lastDraw = 0;
  const isDue = () => {
    const now = performance.now();
    if (now - lastDraw < REDRAW_MS) return false;
    lastDraw = now;
    return true;
  };
  if (json) {
    const write = (fields: object) => stream.write(`${JSON.stringify(fields)}\n`);
    return { event: write, progress: (fields) => isDue() && write(fields) };
  }
  const clear = stream.isTTY ? '\r\x1b[2K' : '';
  return {
    event(_fields, text) {
      if (text !== null) stream.write(`${clear}${text}\n`);
    },
    progress(_fields, share, text) {
      // On the same terminal as an answer on stdout a bar would run into its lines.
      const isAlone = stream === process.stdout || !process.stdout.isTTY;
      if (stream.isTTY && isAlone && isDue()) stream.write(`${clear}${drawBar(share)} ${text}`);
    },
  };
}

function drawBar(share: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * BAR_WIDTH);
  return `${'█'.repeat(full)}${'░'.repeat(BAR_WIDTH - full)} ${String(Math.round(share * 100)).padStart(3)}%`;
}
