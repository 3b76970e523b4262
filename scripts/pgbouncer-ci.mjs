#!/usr/bin/env node
// Runs Marquee through pgbouncer in transaction mode, as docs/operations.md says that it works: migrations by the server's own URL; by the
// pooler's import (twice), training, batch scoring, `serve` and `work` with queries, mutations and a subscription. Fewer connections to the server than
// clients have, so that statements of one client come to many connections. Needs the build; installs pgbouncer (Debian, as root) where it is not there.
//
//   node scripts/pgbouncer-ci.mjs        half a minute

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { openEmbedded } from '../dist/store/embedded.js';
import { ask, followRun } from './follow-run.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** serve and work have ten each, the queue four, and each thread some more. */
const SERVER_CONNECTIONS = 6;
const AT_ONCE = 200;
const LIMIT_MS = 240_000;

const READ = `query ($user: Int!) { user(userId: $user) { ratingCount ratings(first: 5) { nodes { rating movie { title } } }
  recommendations(first: 5) { nodes { movie { title } } } predictedRating(movieId: 2) { rating } } }`;
const RATE = `mutation ($user: Int!) { rateMovie(input: { userId: $user, movieId: 3, rating: 4 }) {
  rating { rating } userErrors { message } } }`;

const folder = await mkdtemp(join(tmpdir(), 'marquee-pgbouncer-'));
await chmod(folder, 0o755); // run by root, the servers are other accounts, which must get through
const limit = setTimeout(giveUp, LIMIT_MS);
const children = [];
let now = 'installing pgbouncer';
let server = null;
try {
  install();
  server = await openEmbedded(join(folder, 'home'));
  const pooled = await step('pgbouncer', () => startPooler(server.url));
  const marquee = (url, ...args) => run({ DATABASE_URL: url }, args);
  await step('migrate by the server', () => marquee(server.url, 'migrate'));
  await marquee(
    pooled,
    ...['synth', '--out', join(folder, 'set'), '--users', '300', '--movies', '200', '--ratings', '9000'],
  );
  await step('import', () => marquee(pooled, 'import', join(folder, 'set')));
  await step('import again', () => marquee(pooled, 'import', join(folder, 'set')));
  await step('train', () => marquee(pooled, 'train', '--epochs', '3'));
  await step('score', () => marquee(pooled, 'score', '--top', '10'));
  const api = await step('serve and work', () => startBoth(pooled));
  await step(`${AT_ONCE} queries at once`, () => askMany(api));
  await step('rate', () => rate(api));
  await step('a run followed by subscription', () => followRun(api, api));
  await step(`${AT_ONCE} more, of the new model`, () => askMany(api));
  await step('all of it went through the pooler', () => checkPooler(pooled));
  await step('stop', stopAll);
  console.log('pgbouncer-ci: done');
} catch (error) {
  fail(error);
} finally {
  await clearUp();
}

function install() {
  if (spawnSync('pgbouncer', ['--version']).status === 0) return;
  // No service of the package's own: only the program is wanted.
  execFileSync('apt-get', ['update', '-qq'], { stdio: 'inherit' });
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  execFileSync('apt-get', ['install', '-qqy', '--no-install-recommends', 'pgbouncer'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env,
  });
}

/** Gives its URL. It logs in to the server by itself; who comes by the loopback is let in. */
async function startPooler(url) {
  const { hostname, port, username, password, pathname } = new URL(url);
  const own = await findFreePort();
  const database = pathname.slice(1);
  const target = `host=${hostname} port=${port} user=${username} password=${password} dbname=${database}`;
  const settings = [
    '[databases]',
    `${database} = ${target}`,
    '[pgbouncer]',
    ...['listen_addr = 127.0.0.1', `listen_port = ${own}`, 'unix_socket_dir =', 'auth_type = any'],
    ...['pool_mode = transaction', `default_pool_size = ${SERVER_CONNECTIONS}`, 'max_client_conn = 200'],
    ...['admin_users = admin', 'stats_users = admin', 'log_connections = 0', 'log_disconnections = 0'],
  ];
  const file = join(folder, 'pgbouncer.ini');
  await writeFile(file, `${settings.join('\n')}\n`, { mode: 0o600 });
  const isRoot = process.getuid?.() === 0;
  start('pgbouncer', ['-q', ...(isRoot ? ['-u', 'nobody'] : []), file], {});
  const pooled = `postgresql://${username}@127.0.0.1:${own}/${database}`;
  await untilItAnswers(pooled);
  return pooled;
}

async function untilItAnswers(url) {
  for (;;) {
    if (await query(url, 'select 1').catch(() => null)) return;
    if (children.some(({ exitCode }) => exitCode !== null)) throw new Error('pgbouncer ended');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function startBoth(url) {
  const args = (name, ...more) => [join(ROOT, 'dist/main.js'), name, ...more, '--json'];
  const env = { DATABASE_URL: url, MARQUEE_THREADS: '1', MARQUEE_LOG_LEVEL: 'warn' };
  const serve = start(process.execPath, args('serve', '--no-worker', '--port', '0'), env);
  const work = start(process.execPath, args('work'), env);
  const [serving] = await Promise.all([eventOf(serve), eventOf(work)]);
  return serving.url.replace(/\/$/, '');
}

/** The first line of JSON. */
async function eventOf(child) {
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`${child.spawnargs[2]} ended with ${code}`);
  });
  ended.catch(() => {});
  const [line] = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended]);
  return JSON.parse(line);
}

async function askMany(api) {
  const asked = Array.from({ length: AT_ONCE }, (_, i) => ask(api, READ, { user: 1 + (i % 300) }));
  for (const { user } of await Promise.all(asked)) {
    if (user.recommendations.nodes.length !== 5) throw new Error('a list of five has another length');
  }
}

async function rate(api) {
  const rated = await Promise.all(Array.from({ length: 20 }, (_, i) => ask(api, RATE, { user: 1 + i })));
  const refused = rated.find(({ rateMovie }) => rateMovie.rating?.rating !== 4);
  if (refused) throw new Error(`a rating was refused: ${JSON.stringify(refused)}`);
}

async function checkPooler(pooled) {
  const admin = new URL(pooled);
  [admin.username, admin.pathname] = ['admin', '/pgbouncer'];
  const [pools] = await Promise.all([query(admin.href, 'show pools')]);
  const ours = pools.find(({ pool_mode }) => pool_mode === 'transaction');
  if (!ours) throw new Error(`no pool in transaction mode: ${JSON.stringify(pools)}`);
  const connections = await query(
    server.url,
    `select distinct client_addr is not null as by_tcp, application_name as name from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid()`,
  );
  console.log(
    `pgbouncer-ci: clients ${Number(ours.cl_active) + Number(ours.cl_waiting)}, connections to the server as`,
    connections.map(({ name }) => name).join(', '),
  );
}

/** The console of pgbouncer knows the simple protocol only, which is what pg speaks where there are no values. */
async function query(url, text) {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end().catch(() => {});
  }
}

async function run(env, args) {
  const child = start(process.execPath, [join(ROOT, 'dist/main.js'), ...args], {
    ...env,
    MARQUEE_LOG_LEVEL: 'warn',
  });
  let output = '';
  child.stdout.on('data', (text) => {
    output += text;
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`marquee ${args[0]} ended with ${code}: ${output}`);
}

function start(program, args, env) {
  const child = spawn(program, args, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  return child;
}

/** serve and work end well; the pooler outlives them. */
async function stopAll() {
  for (const child of children.filter(({ exitCode }) => exitCode === null).reverse()) {
    const isOurs = child.spawnfile === process.execPath;
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit');
    if (isOurs && code !== 0) throw new Error(`${child.spawnargs[2]} ended with ${code} after SIGTERM`);
  }
}

async function step(name, work) {
  const begun = performance.now();
  now = name;
  const result = await work();
  console.log(`pgbouncer-ci: ${name}: ${((performance.now() - begun) / 1000).toFixed(1)} s`);
  return result;
}

async function findFreePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

async function clearUp() {
  clearTimeout(limit);
  for (const child of children) if (child.exitCode === null) child.kill('SIGKILL');
  await server?.close();
  await rm(folder, { recursive: true, force: true });
}

async function giveUp() {
  fail(new Error(`not done after ${LIMIT_MS / 1000} s`));
  await clearUp();
  process.exit();
}

function fail(error) {
  console.error(`pgbouncer-ci: ${now} failed: ${error.message}`);
  process.exitCode = 1;
}
