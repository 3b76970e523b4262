// Opens the PostgreSQL server that all tests share, and prepares there the migrated template that database.ts clones.
// A container where a Docker engine has or can pull the image, the embedded server otherwise; one line on stderr says
// which and why. TEST_POSTGRES=container|embedded demands one: if that one cannot be had, the run fails.
// POSTGRES_IMAGE names another image. Temporary folders of the tests are in memory where there is room; TMPDIR names another place.

import { chmod, mkdir, mkdtemp, readFile, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';

const TEMPLATE = 'marquee_template';
const DEFAULT_IMAGE = 'postgres:17';
const IN_MEMORY = '/marquee-test';
/** Of Linux: a file system in memory. */
const MEMORY = '/dev/shm';
/** Ten times what the shared server and the suites embedded and cli took together at most. */
const ROOM_BYTES = 4 * 2 ** 30;
const OPENERS = { container: openContainer, embedded: openEmbeddedServer };

export default async function globalSetup() {
  if (process.env.TMPDIR === undefined && (await hasRoom())) await moveTemporaryFolders();
  const { kind, reason } = await chooseServer();
  const server = await OPENERS[kind]();
  globalThis.closeTestServer = server.close;
  try {
    const version = await prepareServer(server.url);
    process.stderr.write(`Test server: PostgreSQL ${version}, ${kind} (${reason})\n`);
  } catch (error) {
    await server.close(); // jest runs no teardown after a failed setup
    throw error;
  }
  process.env.TEST_DATABASE_ADMIN_URL = server.url;
}

/** Programs are copied there, too, and started. */
async function hasRoom() {
  try {
    const { bavail, bsize } = await statfs(MEMORY);
    const mount = (await readFile('/proc/mounts', 'utf8'))
      .split('\n')
      .find((line) => line.includes(` ${MEMORY} `));
    return bavail * bsize >= ROOM_BYTES && mount !== undefined && !/\bnoexec\b/.test(mount);
  } catch {
    return false;
  }
}

/** Servers of their own, which some tests start, sync what they write: a disk takes seconds for each that is made. */
async function moveTemporaryFolders() {
  const { attemptName, removeDeadAttempts } = await import('../dist/store/embeddedAttempts.js');
  const folder = join(MEMORY, 'marquee-tests');
  await removeDeadAttempts(folder);
  process.env.TMPDIR = globalThis.temporaryFolder = attemptName(folder);
  await mkdir(process.env.TMPDIR);
  await chmod(process.env.TMPDIR, 0o1777); // as /tmp: some tests are other accounts, too
}

async function chooseServer() {
  const wanted = process.env.TEST_POSTGRES;
  if (wanted && !Object.hasOwn(OPENERS, wanted)) {
    throw new Error(`TEST_POSTGRES is "${wanted}": expected container or embedded`);
  }
  if (wanted === 'embedded') return { kind: 'embedded', reason: 'TEST_POSTGRES' };
  const probe = await probeContainers();
  if (probe.available) return { kind: 'container', reason: probe.reason };
  if (wanted) throw new Error(`TEST_POSTGRES=container cannot be had: ${probe.reason}`);
  return { kind: 'embedded', reason: probe.reason };
}

async function probeContainers() {
  const { getContainerRuntimeClient, ImageName } = await import('testcontainers');
  const image = ImageName.fromString(imageName());
  let client;
  try {
    client = await getContainerRuntimeClient();
  } catch (error) {
    return { available: false, reason: `no Docker engine answers: ${error.message}` };
  }
  const engine = `Docker ${client.info.containerRuntime.serverVersion}`;
  try {
    if (!(await client.image.exists(image))) await client.image.pull(image);
  } catch (error) {
    return { available: false, reason: `${engine} cannot get ${image.string}: ${error.message}` };
  }
  return { available: true, reason: `${engine}, ${image.string}` };
}

async function openContainer() {
  const { PostgreSqlContainer } = await import('@testcontainers/postgresql');
  // In memory: cloning the template takes 8 ms instead of 70 to 350 on this kind of machine's disk.
  const container = await new PostgreSqlContainer(imageName())
    .withEnvironment({ PGDATA: IN_MEMORY })
    .withTmpFs({ [IN_MEMORY]: 'rw' })
    .start();
  return { url: container.getConnectionUri(), close: () => container.stop() };
}

async function openEmbeddedServer() {
  const { openEmbedded } = await import('../dist/store/embedded.js');
  const homeDir = await mkdtemp(join(tmpdir(), 'marquee-test-'));
  const remove = () => rm(homeDir, { recursive: true, force: true });
  await chmod(homeDir, 0o755); // run by root, the server is another account, which must get through
  try {
    const server = await openEmbedded(homeDir);
    return { url: server.url, close: () => server.close().finally(remove) };
  } catch (error) {
    await remove();
    throw error;
  }
}

function imageName() {
  return process.env.POSTGRES_IMAGE || DEFAULT_IMAGE;
}

/** Returns the server's version. */
async function prepareServer(url) {
  const { applyMigrations } = await import('../dist/store/migrate.js');
  const templateUrl = new URL(url);
  templateUrl.pathname = `/${TEMPLATE}`;
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    // A test server's data need not survive a power cut, and may be in memory.
    await client.query('alter system set fsync = off');
    await client.query('alter system set synchronous_commit = off');
    await client.query('alter system set full_page_writes = off');
    await client.query(`alter system set max_wal_size = '512MB'`);
    await client.query('select pg_reload_conf()');
    await client.query(`create database ${TEMPLATE}`);
    await applyMigrations(templateUrl.href);
    // A database with a session in it cannot be cloned: nobody gets in any more.
    await client.query(`alter database ${TEMPLATE} allow_connections false`);
    const { rows } = await client.query('show server_version');
    return rows[0].server_version;
  } finally {
    await client.end();
  }
}
