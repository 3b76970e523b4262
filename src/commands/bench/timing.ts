// How something is timed: warmed up, repeated, and given as median and spread with the raw figures beside them.

export interface Timing {
  /** Seconds for one call, of each repeat. */
  raw: number[];
  median: number;
  /** (largest − smallest) / median. */
  spread: number;
  /** Calls in a row that were timed together. */
  callsPerRepeat: number;
}

export interface TimingOptions {
  /** For all repeats together. */
  seconds: number;
  repeats: number;
}

const WARM_UP_CALLS = 3;
const WARM_UP_SHARE = 0.2;

/** `call` runs so many of what is timed in a row; at most `most` at once. */
export async function timeCalls(
  call: (count: number) => Promise<unknown>,
  { seconds, repeats }: TimingOptions,
  most = Number.POSITIVE_INFINITY,
): Promise<Timing> {
  const estimate = await warmUp(call, seconds * WARM_UP_SHARE, most);
  const callsPerRepeat = Math.max(1, Math.min(most, Math.round(seconds / repeats / estimate)));
  const raw: number[] = [];
  for (let repeat = 0; repeat < repeats; repeat++) {
    raw.push((await secondsOf(() => call(callsPerRepeat))) / callsPerRepeat);
  }
  return toTiming(raw, callsPerRepeat);
}

/** Gives the seconds of one call at the end: compiled, caches filled, clock up. */
export async function warmUp(
  call: (count: number) => Promise<unknown>,
  seconds: number,
  most = Number.POSITIVE_INFINITY,
): Promise<number> {
  const begun = performance.now();
  let count = Math.min(WARM_UP_CALLS, most);
  for (;;) {
    const taken = await secondsOf(() => call(count));
    if (performance.now() - begun >= seconds * 1000) return taken / count;
    count = Math.min(count * 2, most);
  }
}

export async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return (performance.now() - begun) / 1000;
}

export function toTiming(raw: number[], callsPerRepeat: number): Timing {
  const sorted = [...raw].sort((a, b) => a - b);
  const median = quantile(sorted, 0.5);
  return { raw, median, spread: (sorted[sorted.length - 1] - sorted[0]) / median, callsPerRepeat };
}

/** Of ascending values, linear between neighbours. */
export function quantile(sorted: readonly number[], share: number): number {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}
