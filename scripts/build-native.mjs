// Builds the addon of the engine `native` with the C compiler of this machine: dist/engines/cpu/native.node.
// Part of `npm run build`, so of `npm ci`; what was built from the same sources in the same way is left as it is. Where there is no compiler, or it fails, it says so in one line and ends well: the engine
// `wasm` needs none. MARQUEE_SANITIZE=address|undefined|thread builds an addon for scripts/sanitize.sh instead.
// Not node-gyp: that needs Python and downloads Node's headers; these come from npm (docs/adr/0009-one-c-source.md).

import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import headers from 'node-api-headers';

const SOURCES = resolve('src/engines/cpu');
const OUT = resolve('dist/engines/cpu');
const OBJECTS = join(OUT, 'objects');
const ADDON = join(OUT, 'native.node');
/** Of all that the addon was made from. */
const DIGEST = join(OUT, 'native.digest');

const COMMON = [
  '-std=c11',
  '-fPIC',
  '-fvisibility=hidden',
  '-Wall',
  '-Wextra',
  // Vectors as arguments between functions that are all inlined: no ABI is at stake.
  '-Wno-psabi',
  '-ffp-contract=fast',
  '-fno-math-errno',
  '-fno-trapping-math',
];

/** The copies of the kernels: src/engines/cpu/instructionSets.h chooses among them at run time. */
const COPIES =
  process.arch === 'x64'
    ? {
        avx512: ['-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mfma', '-mprefer-vector-width=512'],
        avx2: ['-mavx2', '-mfma'],
        baseline: [],
      }
    : { baseline: [] };

const sanitizer = process.env.MARQUEE_SANITIZE;
const mode = sanitizer
  ? ['-O1', '-g', '-fno-omit-frame-pointer', `-fsanitize=${sanitizer}`, '-fno-sanitize-recover=all']
  : ['-O3'];
const compiler = process.env.CC || 'cc';

const run = promisify(execFile);

async function compile(source, object, flags) {
  await run(compiler, [...COMMON, ...mode, ...flags, '-c', join(SOURCES, source), '-o', object]);
  return object;
}

async function build() {
  for (const path of [ADDON, DIGEST]) rmSync(path, { force: true });
  mkdirSync(OBJECTS, { recursive: true });
  const objects = await Promise.all([
    ...Object.entries(COPIES).map(([name, flags]) =>
      compile('kernel.c', join(OBJECTS, `${name}.o`), [`-DKERNELS=marquee_${name}`, ...flags]),
    ),
    compile('threads.c', join(OBJECTS, 'threads.o'), []),
    ...['addon', 'handles', 'samplerAddon'].map((name) =>
      compile(`${name}.c`, join(OBJECTS, `${name}.o`), [`-I${headers.include_dir}`]),
    ),
  ]);
  const shared = process.platform === 'darwin' ? ['-bundle', '-undefined', 'dynamic_lookup'] : ['-shared'];
  const built = join(OBJECTS, 'native.node');
  await run(compiler, [...shared, ...mode, ...objects, '-lpthread', '-lm', '-o', built]);
  // Whole or not at all, also for a process that has the old one open.
  renameSync(built, ADDON);
  rmSync(OBJECTS, { recursive: true });
}

function digestOf(compilerVersion) {
  const digest = createHash('sha256');
  digest.update(JSON.stringify([compiler, String(compilerVersion), COMMON, COPIES, mode]));
  const headerNames = readdirSync(headers.include_dir).map((name) => join(headers.include_dir, name));
  const sourceNames = readdirSync(SOURCES).map((name) => join(SOURCES, name));
  for (const path of [...sourceNames, ...headerNames]) digest.update(path).update(readFileSync(path));
  return digest.digest('hex');
}

mkdirSync(OUT, { recursive: true });
const { status, stdout } = spawnSync(compiler, ['--version']);
const hasCompiler = process.platform !== 'win32' && status === 0;
const digest = hasCompiler && digestOf(stdout);
const isBuilt = existsSync(ADDON) && existsSync(DIGEST) && readFileSync(DIGEST, 'utf8') === digest;
if (!hasCompiler) {
  console.log(`engine native: not built, there is no C compiler "${compiler}"; the engine wasm does without`);
} else if (!isBuilt) {
  try {
    await build();
    writeFileSync(DIGEST, digest);
  } catch (error) {
    if (sanitizer) throw error;
    const reason = String(error.stderr ?? error.message)
      .trim()
      .split('\n', 1)[0];
    console.log(`engine native: not built, ${compiler} failed (${reason}); the engine wasm does without`);
  }
}
