// Copies the kernels that are not compiled with the code to where the compiled code looks for them, beside it in dist: WebAssembly of the
// engine `wasm`, shaders of the engine `webgpu`. Part of `npm run build`.

import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

const kernels = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((name) =>
  /\.(wasm|wgsl)$/.test(name),
);
for (const name of kernels) {
  mkdirSync(dirname(join('dist', name)), { recursive: true });
  copyFileSync(join('src', name), join('dist', name));
}
