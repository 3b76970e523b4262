// Builds the addon of the engine `native` with the C compiler of this machine: dist/engines/cpu/native.node.
// Part of `npm run build`, so of `npm ci`. Where there is no compiler, or it fails, it says so in one line and ends well: the engine
// `wasm` needs none. MARQUEE_SANITIZE=address|undefined|thread builds an addon for scripts/sanitize.sh instead.
// Not node-gyp: that needs Python and downloads Node's headers; these come from npm (docs/adr/0009-one-c-source.md).

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import headers from 'node-api-headers';

const SOURCES = resolve('src/engines/cpu');
const OUT = resolve('dist/engines/cpu');
const OBJECTS = join(OUT, 'objects');

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

function compile(source, object, flags) {
  execFileSync(compiler, [...COMMON, ...mode, ...flags, '-c', join(SOURCES, source), '-o', object], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return object;
}

function build() {
  rmSync(join(OUT, 'native.node'), { force: true });
  mkdirSync(OBJECTS, { recursive: true });
  const objects = Object.entries(COPIES).map(([name, flags]) =>
    compile('kernel.c', join(OBJECTS, `${name}.o`), [`-DKERNELS=marquee_${name}`, ...flags]),
  );
  objects.push(compile('threads.c', join(OBJECTS, 'threads.o'), []));
  for (const name of ['addon', 'handles', 'samplerAddon'])
    objects.push(compile(`${name}.c`, join(OBJECTS, `${name}.o`), [`-I${headers.include_dir}`]));
  const shared = process.platform === 'darwin' ? ['-bundle', '-undefined', 'dynamic_lookup'] : ['-shared'];
  const built = join(OBJECTS, 'native.node');
  execFileSync(compiler, [...shared, ...mode, ...objects, '-lpthread', '-lm', '-o', built], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  // Whole or not at all, also for a process that has the old one open.
  renameSync(built, join(OUT, 'native.node'));
  rmSync(OBJECTS, { recursive: true });
}

mkdirSync(OUT, { recursive: true });
const hasCompiler = process.platform !== 'win32' && spawnSync(compiler, ['--version']).status === 0;
if (!hasCompiler) {
  console.log(`engine native: not built, there is no C compiler "${compiler}"; the engine wasm does without`);
} else {
  try {
    build();
  } catch (error) {
    if (sanitizer) throw error;
    const reason = String(error.stderr ?? error.message)
      .trim()
      .split('\n', 1)[0];
    console.log(`engine native: not built, ${compiler} failed (${reason}); the engine wasm does without`);
  }
}
