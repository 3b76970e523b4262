#!/usr/bin/env node
// Stands in for Prisma's native schema engine on machines that cannot download it: the same line-delimited JSON-RPC on
// stdin and stdout, answered by the official @prisma/schema-engine-wasm over @prisma/adapter-pg.
// Used by `npm run prisma` through PRISMA_SCHEMA_ENGINE_BINARY; migrations at run time do not pass here
// (src/store/migrate.ts). Limits: one schema, no SSL options of the URL, `diff` needs an existing database.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { adapterFor, parsePrismaUrl } from './schema-engine-adapter.mjs';

const PLACEHOLDER_URL = 'postgresql://127.0.0.1:1/none';
/** Prisma's code for each SQLSTATE that the CLI reacts to; any other failure reads as "cannot reach the server". */
const PRISMA_CODES = { '3D000': 'P1003', '28P01': 'P1000', '42P04': 'P1009' };

const argv = process.argv.slice(2);

if (argv.includes('--version')) console.log('schema-engine-wasm');
else if (argv.includes('cli')) await runCliCommand(argv[argv.indexOf('cli') + 1], datasourceUrl());
else await serve();

/** The value after each `name` on the command line. */
function optionValues(name) {
  return argv.flatMap((word, i) => (word === name ? [argv[i + 1]] : []));
}

function datasourceUrl() {
  const [json] = optionValues('--datasource');
  return (json && JSON.parse(json).url) || PLACEHOLDER_URL;
}

async function createDatabase(urlText) {
  const { url, database } = parsePrismaUrl(urlText);
  url.pathname = '/postgres';
  await withClient(url, (client) => client.query(`create database ${pg.escapeIdentifier(database)}`));
  return { databaseName: database };
}

async function withClient(url, use) {
  const client = new pg.Client({ connectionString: url.toString() });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

/** `cli create-database` and `cli can-connect-to-database`: the answer is the exit code. */
async function runCliCommand(command, urlText) {
  try {
    if (command === 'create-database') await createDatabase(urlText);
    else await withClient(parsePrismaUrl(urlText).url, () => {});
  } catch (error) {
    // The CLI skips the first line on stderr: the native engine begins with one of level INFO.
    logToCli('INFO', { message: 'Starting schema engine CLI' });
    const errorCode = PRISMA_CODES[error.code] ?? 'P1001';
    logToCli('ERROR', {
      is_panic: false,
      error_code: errorCode,
      message: error.message || String(error.code),
    });
    process.exitCode = 1;
  }
}

function logToCli(level, fields) {
  console.error(JSON.stringify({ timestamp: new Date(), level, target: 'schema_engine::logger', fields }));
}

/** Answers requests one after another until stdin ends. */
async function serve() {
  process.on('uncaughtException', (error) => {
    logToCli('ERROR', { message: String(error?.message ?? error), backtrace: error?.stack });
    process.exit(101);
  });
  const { SchemaEngine } = await loadWasm();
  // One engine for the whole session: evaluateDataLoss and createMigration read what devDiagnostic cached in it.
  let opened;
  const openEngine = () => {
    opened ??= newEngine(SchemaEngine);
    return opened;
  };
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
    const request = JSON.parse(line);
    if (request.method) send(await answer(request, openEngine)); // without: the reply to our own `print`
  }
  process.exit(0);
}

async function loadWasm() {
  globalThis.PRISMA_WASM_PANIC_REGISTRY = { set_message: (message) => logToCli('ERROR', { message }) };
  const folder = dirname(createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm'));
  const bindings = await import(pathToFileURL(join(folder, 'schema_engine_bg.js')).href);
  const { instance } = await WebAssembly.instantiate(readFileSync(join(folder, 'schema_engine_bg.wasm')), {
    './schema_engine_bg.js': bindings,
  });
  bindings.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
  return bindings;
}

function newEngine(SchemaEngine) {
  const datamodels = optionValues('--datamodels').map((path) => [path, readFileSync(path, 'utf8')]);
  const options = { datamodels: datamodels.length > 0 ? datamodels : undefined };
  return SchemaEngine.new(options, () => {}, adapterFor(datasourceUrl()));
}

async function answer({ id, method, params }, openEngine) {
  try {
    return { id, result: await call(method, params, openEngine) };
  } catch (error) {
    const { message = String(error), meta = null, code = null } = error;
    const explanation = { is_panic: false, message, meta, error_code: code };
    return {
      id,
      error: { code: 4466, message: 'An error happened. Check the data field.', data: explanation },
    };
  }
}

async function call(method, params, openEngine) {
  if (method === 'createDatabase') return createDatabase(params?.datasource?.url ?? datasourceUrl());
  const engine = await openEngine();
  if (method === 'getDatabaseVersion') return engine.version(params ?? null);
  if (method === 'diff') return diff(engine, params);
  if (typeof engine[method] !== 'function') throw new Error(`unsupported method ${method}`);
  // The wasm engine knows the shadow database only through a devDiagnostic just before these two.
  if (method === 'evaluateDataLoss' || method === 'createMigration') {
    await engine.devDiagnostic({ migrationsList: params.migrationsList, filters: params.filters });
  }
  return (await engine[method](params ?? {})) ?? {};
}

/** The native engine prints the difference by a request of its own; the wasm engine returns it. */
async function diff(engine, params) {
  const request = { ...params, shadowDatabaseUrl: undefined, exitCode: params.exitCode ?? null };
  const { exitCode, stdout } = await engine.diff(request);
  if (stdout != null) send({ id: 1, method: 'print', params: { content: stdout } });
  return { exitCode };
}

function send(message) {
  const mapToObject = (_key, value) => (value instanceof Map ? Object.fromEntries(value) : value);
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message }, mapToObject)}\n`);
}
