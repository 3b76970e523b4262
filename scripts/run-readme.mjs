#!/usr/bin/env node
// Runs the ```sh blocks of README.md in order, so that what the README promises is tried. Needs nothing but Node and bash:
// in a fresh clone the first block installs. Own MARQUEE_HOME and PORT; the embedded server, whatever DATABASE_URL says.
//
//   node scripts/run-readme.mjs [--installed]    --installed: leave out the blocks ```sh install
//   node scripts/run-readme.mjs --test           only the blocks ```sh test
//
//   sh          run to its end, which must be exit code 0
//   sh server   started; ready by /health/ready; gets SIGINT, as by Ctrl-C, when the next block is not its client
//   sh client   run to its end while that server runs
//   sh docker   left out: scripts/compose-ci.sh tries docker-compose.yml where an engine runs

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** The quickstart answers when it has trained. */
const READY_MS = 300_000;
const STOP_MS = 60_000;
const POLL_MS = 200;

const options = process.argv.slice(2);
const left = new Set(['test', 'docker', ...(options.includes('--installed') ? ['install'] : [])]);
const isWanted = ({ kind }) => (options.includes('--test') ? kind === 'test' : !left.has(kind));

const all = blocksOf(await readFile(join(ROOT, 'README.md'), 'utf8'));
const blocks = all.filter(isWanted);
if (blocks.length === 0) fail('README.md has no such block');
const home = await mkdtemp(join(tmpdir(), 'marquee-readme-'));
await chmod(home, 0o755); // run by root, the database server is another account, which must get through
const env = { ...process.env, MARQUEE_HOME: home, PORT: String(await findFreePort()) };
delete env.DATABASE_URL;

let server = null;
try {
  for (const block of blocks) {
    if (block.kind !== 'client') await stop();
    console.log(`\n── README.md line ${block.line}${block.kind && `, ${block.kind}`}\n${block.text}`);
    if (block.kind === 'server') server = await start(block);
    else await run(block);
  }
  await stop();
  console.log(`\n── README.md: ${blocks.length} blocks ran, ${all.length - blocks.length} left out`);
} catch (error) {
  if (server) process.kill(-server.pid, 'SIGINT');
  fail(error.message);
} finally {
  if (server) await untilGroupEnds(server.pid);
  await rm(home, { recursive: true, force: true });
}

function blocksOf(markdown) {
  return [...markdown.matchAll(/^```sh(?: (\w+))?\n(.*?)^```$/gms)].map(
    ({ 1: kind = '', 2: text, index }) => ({
      kind,
      text,
      line: markdown.slice(0, index).split('\n').length + 1,
    }),
  );
}

function shell({ text }, detached) {
  const child = spawn('bash', ['-euo', 'pipefail', '-c', text], {
    ...{ cwd: ROOT, env, detached },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  child.ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));
  return child;
}

async function run(block) {
  const outcome = await shell(block, false).ended;
  if (outcome !== 0) throw new Error(`README.md line ${block.line} ended with ${outcome}`);
}

/** In a process group of its own, which gets the signal as from a terminal. */
async function start(block) {
  const child = shell(block, true);
  let outcome = null;
  child.ended.then((ended) => {
    outcome = ended;
  });
  for (const deadline = Date.now() + READY_MS; Date.now() < deadline; await sleep(POLL_MS)) {
    if (outcome !== null) throw new Error(`README.md line ${block.line} ended with ${outcome}`);
    const answer = await fetch(`http://127.0.0.1:${env.PORT}/health/ready`).catch(() => null);
    if (answer?.ok) return child;
  }
  process.kill(-child.pid, 'SIGINT');
  throw new Error(`README.md line ${block.line}: not ready within ${READY_MS / 1000} s`);
}

async function stop() {
  if (!server) return;
  const { pid, ended } = server;
  process.kill(-pid, 'SIGINT');
  await untilGroupEnds(pid);
  server = null;
  // npm passes the signal on in place of the program's exit code 0; what counts then is that nothing is left running.
  const outcome = await ended;
  if (outcome !== 0 && outcome !== 'SIGINT') throw new Error(`after Ctrl-C it ended with ${outcome}`);
  if (existsSync(join(home, 'postgres', 'data', 'postmaster.pid')))
    throw new Error('after Ctrl-C the database server still runs');
}

async function untilGroupEnds(pid) {
  for (const deadline = Date.now() + STOP_MS; Date.now() < deadline; await sleep(POLL_MS)) {
    try {
      process.kill(-pid, 0);
    } catch {
      return;
    }
  }
  process.kill(-pid, 'SIGKILL');
  throw new Error(`after Ctrl-C it still ran ${STOP_MS / 1000} s later, and was killed`);
}

async function findFreePort() {
  const listener = createServer();
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address();
  await new Promise((resolve) => listener.close(resolve));
  return port;
}

function fail(message) {
  console.error(`run-readme: ${message}`);
  process.exitCode = 1;
}
