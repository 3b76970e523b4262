// The commands as a user runs them: a process of their own, an embedded PostgreSQL of their own.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbedded } from '#src/store/embedded.js';
import { createTestDatabase } from './database.js';

const ML_LATEST_SMALL = '../shared/data/ml-latest-small';
const withMlLatestSmall = existsSync(ML_LATEST_SMALL) ? test : test.skip;

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'marquee-cli-'));
  await chmod(home, 0o755);
});
afterAll(() => rm(home, { recursive: true, force: true }));

test('quickstart goes from nothing to recommendations, and says how good the model is', async () => {
  const { code, stdout } = await marquee(['quickstart', '--epochs', '1', '--exit']);
  expect(code).toBe(0);
  expect(stdout).toContain('40,000 lines read = 40,000 inserted + 0 updated + 0 unchanged + 0 rejected');
  for (const name of ['global mean', 'user mean', 'movie mean', 'user+movie bias', 'this model']) {
    expect(stdout).toContain(name);
  }
  // The paper's network beside the model that answers, on the same test ratings.
  expect(stdout).toMatch(/^ {2}paper +\d\.\d{4}/m);
  expect(stdout).toMatch(/ 10\. \d\.\d\d {2}\S/);
});

test('quickstart started again keeps ratings and model, and ends when npm alone gets the signal', async () => {
  const again = run('npm', ['run', '--silent', 'quickstart', '--', '--epochs', '1', '--port', '0', '--json']);
  await again.until('"event":"serving"');
  again.child.kill('SIGINT');
  const { code, stdout } = await again.ended;
  expect(code).toBe(0);
  expect(eventsOf(stdout)).toEqual([
    ...['starting', 'kept', 'kept-model', 'evaluation', 'recommendations', 'serving'],
  ]);
  expect(existsSync(join(home, 'postgres/data/postmaster.pid'))).toBe(false);
});

describe('while another command keeps the database running', () => {
  let other: Awaited<ReturnType<typeof openEmbedded>>;
  beforeAll(async () => {
    other = await openEmbedded(home);
  });
  afterAll(() => other.close());

  test('quickstart started again after a rollback keeps that, and trains nothing', async () => {
    await marquee(['models', 'rollback']);
    const again = await marquee(['quickstart', '--epochs', '1', '--exit']);
    expect(again.stdout).toContain('model 2 knows these ratings already; model 1 is active');
    const named = await marquee(['quickstart', '--preset', 'accurate', '--epochs', '1', '--exit', '--json']);
    expect(named.stdout).toContain('{"event":"kept-model","version":2,"active":2}');
  });

  test('train ends with the evaluation, and --json gives one line of JSON for each event', async () => {
    const { code, stdout } = await marquee(['train', '--epochs', '2', '--hidden-layers', '32,16', '--json']);
    expect(code).toBe(0);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines[0]).toMatchObject({ event: 'run', preset: 'paper' });
    expect(lines.filter((line) => line.event === 'epoch').map((line) => line.epoch)).toEqual([1, 2]);
    expect(lines.at(-1)).toMatchObject({ event: 'succeeded', evaluation: { testRatings: 7961 } });
    expect(lines.at(-1).peakRssMiB).toBeGreaterThan(50);
  });

  test('runs lists, shows, compares and repeats training runs', async () => {
    const [list, shown] = [await marquee(['runs']), await marquee(['runs', 'show', '1'])];
    expect(list.stdout).toMatch(/^run +status +preset +engine +epochs +RMSE +model +queued/);
    expect(list.stdout.trim().split('\n').length).toBeGreaterThanOrEqual(3);
    for (const text of [
      'training run 1',
      'ratingsChecksum',
      'epoch  train loss',
      'rmse.user+movie bias',
      'the run succeeded',
    ])
      expect(shown.stdout).toContain(text);
    const repeated = await marquee(['runs', 'repeat', '1', '--json']);
    const last = JSON.parse(repeated.stdout.trim().split('\n').at(-1)!);
    expect(last).toMatchObject({ event: 'repeated', runId: 1, identical: true });
    const compared = await marquee(['runs', 'compare', '1', String(last.repetition)]);
    expect(compared.stdout).toMatch(/^\* {2}repeats /m);
    expect(compared.stdout).toMatch(/^ {3}modelDigest /m);
    const missing = await marquee(['runs', 'show', '999']);
    expect(missing).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('RUN_NOT_FOUND: no training run 999'),
    });
    expect((await marquee(['runs', 'compare', '1'])).code).toBe(2);
  });

  test('a cancelled run is resumed after its last checkpoint, or from the start where it has none', async () => {
    const training = start(['train', '--epochs', '150', '--hidden-layers', '64', '--json']);
    const { runId } = JSON.parse(await training.until('"event":"run"'));
    await training.until('"event":"epoch"');
    training.child.kill('SIGINT');
    await training.ended;
    const again = await marquee(['runs', 'cancel', String(runId)]);
    expect(again).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`RUN_ENDED: run ${runId} is CANCELLED`),
    });
    const { code, stdout } = await marquee(['runs', 'resume', String(runId), '--json']);
    expect(code).toBe(0);
    expect(eventsOf(stdout).at(-1)).toBe('succeeded');
    const { stdout: shown } = await marquee(['runs', 'show', String(runId)]);
    expect(shown).toContain('somebody resumes the run');
    expect(shown).toMatch(/^epochsDone +150$/m);
  });

  test('train takes parts of a preset away and adds others', async () => {
    const parts = ['--no-biases', '--dot-product', '--hidden-layers', 'none', '--optimizer', 'adam'];
    const { code, stdout } = await marquee(['train', '--biases', ...parts, '--epochs', '1', '--json']);
    expect(code).toBe(0);
    expect(eventsOf(stdout).at(-1)).toBe('succeeded');
  });

  test('a port that is taken is named', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    const message = `PORT_IN_USE: port ${port} on 127.0.0.1 is taken by another program`;
    const { code, stderr } = await marquee(['serve', '--port', String(port)]);
    expect(code).toBe(1);
    expect(stderr).toContain(message);
    // Before it imports and trains.
    const early = await marquee(['quickstart', '--port', String(port), '--json']);
    other.close();
    expect(early).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining(message) });
  });

  test('an address that is not of this machine is named', async () => {
    const { code, stderr } = await marquee(['serve', '--host', '999.1.1.1', '--port', '0']);
    expect(code).toBe(1);
    expect(stderr).toContain('LISTEN_FAILED: port 0 on 999.1.1.1 cannot be listened on');
  });
});

test('Ctrl-C during training cancels the run and stops everything within seconds', async () => {
  const training = start(['train', '--epochs', '1000', '--json']);
  await training.until('"event":"epoch"');
  training.child.kill('SIGINT');
  const { code, stderr } = await training.ended;
  expect(code).toBe(1);
  expect(stderr).toContain('RUN_CANCELLED: run');
  expect(existsSync(join(home, 'postgres/data/postmaster.pid'))).toBe(false);
});

test('a closed terminal and a reader that went away stop a command as Ctrl-C does', async () => {
  const hungUp = start(['train', '--epochs', '1000', '--json']);
  await hungUp.until('"event":"epoch"');
  hungUp.child.kill('SIGHUP');
  expect((await hungUp.ended).code).toBe(1);
  const unread = start(['train', '--epochs', '1000', '--json']);
  await unread.until('"event":"epoch"');
  unread.child.stdout!.destroy();
  const { code, stderr } = await unread.ended;
  expect(code).toBe(1);
  expect(stderr).toContain('RUN_CANCELLED: run');
  expect(existsSync(join(home, 'postgres/data/postmaster.pid'))).toBe(false);
});

test('serve answers until Ctrl-C, two commands share the database, and the server stops with the last', async () => {
  const server = start(['serve', '--port', '0', '--json']);
  const { url } = JSON.parse(await server.until('"event":"serving"'));
  expect(await (await fetch(`${url}/health/ready`)).json()).toEqual({ status: 'ready' });
  const beside = await marquee(['migrate']);
  expect(beside).toMatchObject({ code: 0, stdout: 'nothing to apply\n' });
  expect((await fetch(`${url}/health/ready`)).status).toBe(200);
  server.child.kill('SIGINT');
  expect((await server.ended).code).toBe(0);
  expect(existsSync(join(home, 'postgres/data/postmaster.pid'))).toBe(false);
});

test('wrong usage ends with 2 and says what is wrong', async () => {
  const wrong = await Promise.all([
    marquee(['nonsense']),
    marquee(['train', '--epochs', '0']),
    marquee(['train', '--preset', 'nope']),
    marquee(['train', '--learning-rate', '99']),
    marquee(['train', '--engine', 'abacus']),
    marquee(['import']),
    marquee(['migrate'], { MARQUEE_COLOUR: 'red' }),
    marquee(['migrate'], { PORT: 'http' }),
    marquee(['engines'], { MARQUEE_THREADS: '0' }),
    marquee(['train', '--hidden-layers', 'none']),
    marquee(['train', '--optimizer', 'adagrad']),
    marquee(['train', '--hidden-layers', '64,wide']),
  ]);
  expect(wrong.map(({ code }) => code)).toEqual([2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]);
  expect(wrong[1].stderr).toContain('Expected a whole number from 1 to 1000');
  expect(wrong[3].stderr).toContain('learningRate is 99: expected a number from 0.000001 to 10');
  expect(wrong[6].stderr).toContain('unknown environment variable MARQUEE_COLOUR');
  expect(wrong[8].stderr).toContain('MARQUEE_THREADS is "0": expected a whole number from 1 to 64');
  expect(wrong[9].stderr).toContain('add hidden layers, biases or dotProduct');
  expect(wrong[10].stderr).toContain('Allowed choices are sgd, adam');
  expect(wrong[11].stderr).toContain('Expected a whole number from 1 to 8192');
});

test('--help of the program and of each command ends with 0 and lists the options', async () => {
  const program = await marquee(['--help'], { MARQUEE_COLOUR: 'red' });
  expect(program.code).toBe(0);
  expect(program.stdout).toContain('MARQUEE_HOME');
  expect(program.stdout).toContain('MARQUEE_THREADS');
  const command = await marquee(['train', '--help']);
  expect(command.code).toBe(0);
  expect(command.stdout).toContain('--embedding-width <n>');
});

test('a database of the user is not migrated behind their back', async () => {
  const database = await createTestDatabase();
  const url = new URL(database.url);
  url.pathname = '/postgres';
  const { code, stderr } = await marquee(['train'], { DATABASE_URL: url.href });
  await database.drop();
  expect(code).toBe(1);
  expect(stderr).toContain('DATABASE_NOT_MIGRATED: the database lacks');
  expect(stderr).toContain('Run `marquee migrate`.');
});

test('a database that does not answer is an error with a next step', async () => {
  const { code, stderr } = await marquee(['migrate'], {
    DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none',
  });
  expect(code).toBe(1);
  expect(stderr).toContain('DATABASE_UNREACHABLE');
});

withMlLatestSmall('quickstart on ml-latest-small loads it whole', async () => {
  const otherHome = join(home, 'ml-latest-small');
  const args = ['quickstart', '--data', ML_LATEST_SMALL, '--epochs', '2', '--exit', '--json'];
  const { code, stdout } = await marquee(args, { MARQUEE_HOME: otherHome });
  expect(code).toBe(0);
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const imported = lines.find((line) => line.event === 'imported');
  expect(imported.counts).toMatchObject({
    linesRead: 100_836,
    inserted: 100_836,
    rejected: 0,
    usersAdded: 610,
    moviesAdded: 9742,
  });
  expect(lines.at(-1).recommendations.length).toBe(10);
});

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

async function marquee(args: string[], env: Record<string, string> = {}): Promise<Ended> {
  return start(args, env).ended;
}

function start(args: string[], env: Record<string, string> = {}) {
  return run(process.execPath, ['dist/main.js', ...args], env);
}

function run(program: string, args: string[], env: Record<string, string> = {}) {
  const child: ChildProcess = spawn(program, args, {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, MARQUEE_HOME: home, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout!.on('data', (chunk) => {
    output.stdout += chunk;
  });
  child.stderr!.on('data', (chunk) => {
    output.stderr += chunk;
  });
  const ended = new Promise<Ended>((resolve) => child.once('close', (code) => resolve({ code, ...output })));
  return {
    child,
    ended,
    /** The first line of stdout that holds `text`. @throws when the process ends without one */
    until(text: string): Promise<string> {
      return new Promise((resolve, reject) => {
        const look = () => {
          const line = output.stdout
            .split('\n')
            .slice(0, -1)
            .find((candidate) => candidate.includes(text));
          if (line) resolve(line);
        };
        child.stdout!.on('data', look);
        child.once('close', () =>
          reject(new Error(`ended without ${text}: ${output.stdout}${output.stderr}`)),
        );
      });
    },
  };
}

function eventsOf(stdout: string): string[] {
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).event);
}
