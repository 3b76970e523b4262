// Run with --allow-natives-syntax: prints how many functions of the kernels V8's first tier (Liftoff) has compiled after the engine
// wasm was opened and a kernel ran, and how many of ten modules compiled after that it compiles.

// Hidden from whoever parses this file without the option.
const isOfFirstTier = new Function('f', 'return %IsLiftoffFunction(f)');

const { Module } = WebAssembly;
const compiled = [];
WebAssembly.Module = class extends Module {
  constructor(bytes) {
    super(bytes);
    compiled.push(this);
  }
};
const { wasmDoor } = await import('../../dist/engines/wasm.js');
await wasmDoor.open({ threads: 2 });
WebAssembly.Module = Module;

const memory = new WebAssembly.Memory({ initial: 4, maximum: 4, shared: true });
const { exports: kernels } = new WebAssembly.Instance(compiled[0], { env: { memory, seconds: () => 0 } });
kernels.peak_flops(10);
const functions = Object.values(kernels).filter((each) => typeof each === 'function');

// Modules of one function, which gives a number.
const [start, end] = ['0061736d010000000105016000017f03020100070501016600000a0601040041', '0b'];
const others = Array.from({ length: 10 }, (_, n) => {
  const bytes = Buffer.from(start + n.toString(16).padStart(2, '0') + end, 'hex');
  const { f } = new WebAssembly.Instance(new Module(bytes), {}).exports;
  f();
  return isOfFirstTier(f);
});
console.log(
  JSON.stringify({
    functions: functions.length,
    ofFirstTier: functions.filter(isOfFirstTier).length,
    othersOfFirstTier: others.filter(Boolean).length,
  }),
);
