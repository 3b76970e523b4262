#!/usr/bin/env node
// Starts a run by one API process and follows it by the subscription of another, as a client does: it has to end SUCCEEDED with every epoch.
// Somebody has to train it. For scripts that try deployments.
//
//   node scripts/follow-run.mjs http://127.0.0.1:4000 http://127.0.0.1:4001

import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const EPOCHS = 30;
const START = `mutation { startTrainingRun(input: { preset: "paper", hyperparameters: { epochs: ${EPOCHS} }, promote: true }) {
  trainingRun { id } userErrors { message } } }`;
const WATCH = 'subscription ($id: ID!) { trainingRunProgress(runId: $id) { status epochs { epoch } } }';

if (process.argv[1] === import.meta.filename) {
  const states = await followRun(process.argv[2], process.argv[3]);
  console.log(`follow-run: ${states} states, the last one SUCCEEDED`);
}

/** Gives how many states were told. */
export async function followRun(startAt, watchAt) {
  const { trainingRun, userErrors } = (await ask(startAt, START)).startTrainingRun;
  if (!trainingRun) throw new Error(userErrors[0].message);
  const url = `${watchAt.replace('http', 'ws')}/graphql`;
  const client = createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0 });
  const states = [];
  for await (const { data, errors } of client.iterate({ query: WATCH, variables: { id: trainingRun.id } })) {
    if (errors) throw new Error(errors[0].message);
    states.push(data.trainingRunProgress);
  }
  await client.dispose();
  const last = states.at(-1);
  if (last?.status !== 'SUCCEEDED' || last.epochs.length !== EPOCHS)
    throw new Error(`the last of ${states.length} states is ${JSON.stringify(last)}`);
  return states.length;
}

export async function ask(api, query, variables = {}) {
  const response = await fetch(`${api}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  if (errors) throw new Error(`the API answered: ${JSON.stringify(errors[0])}`);
  return data;
}
