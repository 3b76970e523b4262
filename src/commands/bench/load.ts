// Requests to an API at a fixed rate, whatever comes back and whenever (an open loop): a server that stalls meets the requests that come
// meanwhile, as it would in life. Refuses answers with errors: times of those mean nothing.

import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../../errors.js';
import { quantile } from './timing.js';

export interface LoadOptions {
  /** Requests a second. */
  rate: number;
  seconds: number;
}

export interface LoadFigures {
  requests: number;
  /** From the sending of a request to the last byte of its answer. */
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
  maxMs: number;
  /** Answers over the time from the first sending to the last answer. */
  requestsPerSecond: number;
  /** How late requests were sent: what the sender itself was held up. */
  lateP99Ms: number;
}

export interface Client {
  /** @throws AppError BENCH_WRONG_RESULT when the answer has errors */
  // biome-ignore lint/suspicious/noExplicitAny: answers are as free as the queries
  ask(query: string, variables?: object): Promise<any>;
  close(): void;
}

/** url: of the server, without a path. */
export function openClient(url: string): Client {
  // As many connections as requests are on their way: none waits for another here.
  const agent = new Agent({ keepAlive: true });
  return {
    async ask(query, variables = {}) {
      const { data, errors } = JSON.parse(await post(`${url}/graphql`, agent, { query, variables }));
      if (errors) throw new AppError('BENCH_WRONG_RESULT', `the API answered: ${errors[0].message}`);
      return data;
    },
    close: () => agent.destroy(),
  };
}

/** send: asks the i-th question. */
export async function sendAtRate(
  send: (i: number) => Promise<unknown>,
  { rate, seconds }: LoadOptions,
): Promise<LoadFigures> {
  const count = Math.max(1, Math.round(rate * seconds));
  const [times, late]: [number[], number[]] = [[], []];
  const answers: Promise<void>[] = [];
  const begun = performance.now();
  for (let i = 0; i < count; i++) {
    const due = begun + (i * 1000) / rate;
    if (due > performance.now()) await sleep(due - performance.now());
    const sent = performance.now();
    late.push(Math.max(0, sent - due));
    const answer = send(i).then(() => void times.push(performance.now() - sent));
    answer.catch(() => {}); // told below, when all have been sent
    answers.push(answer);
  }
  await Promise.all(answers);
  const elapsedSeconds = (performance.now() - begun) / 1000;
  return { ...percentilesOf(times), requestsPerSecond: count / elapsedSeconds, lateP99Ms: p99(late) };
}

function percentilesOf(
  times: number[],
): Pick<LoadFigures, 'requests' | 'p50Ms' | 'p95Ms' | 'p99Ms' | 'maxMs'> {
  const sorted = [...times].sort((a, b) => a - b);
  const [p50Ms, p95Ms, p99Ms, maxMs] = [0.5, 0.95, 0.99, 1].map((share) => quantile(sorted, share));
  return { requests: times.length, p50Ms, p95Ms, p99Ms, maxMs };
}

function p99(values: number[]): number {
  return quantile(
    [...values].sort((a, b) => a - b),
    0.99,
  );
}

/** Without `fetch`, whose own work is several times that of a trivial query. */
function post(url: string, agent: Agent, body: object): Promise<string> {
  const content = Buffer.from(JSON.stringify(body));
  const headers = { 'content-type': 'application/json', 'content-length': content.length };
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', agent, headers }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('end', () => resolve(Buffer.concat(pieces).toString('utf8')));
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(content);
  });
}
