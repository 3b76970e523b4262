// The shaders: .wgsl files beside this one behind a prelude with the layout's constants and the bindings. What the host binds and what
// a shader declares come from the same lists.

import { readFileSync } from 'node:fs';
import { AppError } from '../../errors.js';
import { bankNames, elementFunction, tableFunctions } from './banks.js';
import { COMPUTE_STAGE, type Gpu } from './device.js';
import type { Layout } from './layout.js';

/** The steps of a submission: step.wgsl tells which of them it is. Also in front of a catch-up. */
export const SUBMISSION = 'samples: u32, number: u32, loss: u32, rate: f32';
/** What a submission gathers: a part of an epoch, and the order of that. */
export const GATHER = 'first: u32, samples: u32, count: u32, a: u32, b: u32, keys: array<vec4u, 2>';
/** Where GATHER has the keys, after a gap. */
export const GATHER_KEYS_AT = 32;
/** What differs between the dispatches of predictions. */
export const REQUEST = 'base: u32, first: u32, count: u32, movies: u32, pairs: u32, now: u32';
/** What the best movies of a block of users depend on. */
export const TOP_REQUEST = 'movies: u32, places: u32';

/** The least distance of dynamic offsets that every device has. */
export const UNIFORM_STRIDE = 256;
/** Of the part of it that is used: GATHER is the largest. */
const UNIFORM_BYTES = 64;

/** A storage binding: name, element, and whether shaders write to it. */
interface Binding {
  name: string;
  element: 'u32' | 'f32' | 'vec4f';
  writable: boolean;
}

export interface Program {
  layout: GPUBindGroupLayout;
  /** Storage bindings in their order, after the uniform. */
  names: string[];
  pipeline(file: ShaderFile, entry: string): GPUComputePipeline;
}

type ShaderFile = 'gather' | 'samples' | 'update' | 'predict' | 'top';

/** Texts that a shader needs besides its own; readRows and writeRows stand for both tables. */
const PARTS: Record<ShaderFile, string[]> = {
  gather: ['order'],
  samples: ['step', 'skips', 'readRows', 'units', 'forward'],
  update: ['step', 'skips', 'readRows', 'units', 'descend', 'updateUnits', 'writeRows', 'updateRows'],
  predict: ['skips', 'readRows', 'units', 'forward'],
  top: [],
};

const read = (name: string) => readFileSync(new URL(`./${name}.wgsl`, import.meta.url), 'utf8');

/** Brings a submission's ratings into the order of the epoch. */
export function gatherProgram(gpu: Gpu, layout: Layout): Program {
  const bindings = [
    ...layout.ratings.flatMap((banks) => words(bankNames(banks), false)),
    ...words(['upcoming'], true),
  ];
  const functions = layout.ratings.map(elementFunction).join('');
  return openProgram(gpu, layout, { struct: 'request', fields: GATHER, bindings, functions });
}

/** Both phases of a step, and catching up: bound once for a submission, since binding anything takes a GPU a microsecond and more. */
export function stepProgram(gpu: Gpu, layout: Layout): Program {
  const bindings: Binding[] = [
    ...words(['upcoming'], false),
    ...parameterBindings(layout, true),
    { name: 'work', element: 'vec4f', writable: true },
    { name: 'marks', element: 'u32', writable: true },
  ];
  const functions = accessors(layout, true);
  return openProgram(gpu, layout, { struct: 'submission', fields: SUBMISSION, bindings, functions });
}

export function predictionProgram(gpu: Gpu, layout: Layout): Program {
  const bindings: Binding[] = [
    ...parameterBindings(layout, false),
    { name: 'pairs', element: 'u32', writable: false },
    { name: 'outputs', element: 'f32', writable: true },
  ];
  const functions = accessors(layout, false);
  return openProgram(gpu, layout, { struct: 'request', fields: REQUEST, bindings, functions });
}

/** The best movies of users, out of outputs that predictions have left. */
export function topProgram(gpu: Gpu, layout: Layout): Program {
  const bindings: Binding[] = [
    ...words(['outputs', 'allowed', 'bounds'], false),
    { name: 'picks', element: 'u32', writable: true },
  ];
  return openProgram(gpu, layout, { struct: 'request', fields: TOP_REQUEST, bindings, functions: '' });
}

function accessors({ tables }: Layout, writable: boolean): string {
  return [tables.users, tables.movies].map((banks) => tableFunctions(banks, writable)).join('');
}

/** Rows, layers, and what rows have skipped. */
function parameterBindings({ tables }: Layout, writable: boolean): Binding[] {
  return [
    ...[tables.users, tables.movies].flatMap((banks) => words(bankNames(banks), writable)),
    { name: 'dense', element: 'f32', writable },
    { name: 'skips', element: 'vec4f', writable: false },
  ];
}

function words(names: string[], writable: boolean): Binding[] {
  return names.map((name) => ({ name, element: 'u32', writable }));
}

interface ProgramParts {
  struct: 'submission' | 'request';
  fields: string;
  bindings: Binding[];
  functions: string;
}

function openProgram(gpu: Gpu, layout: Layout, parts: ProgramParts): Program {
  const { device, limits } = gpu;
  if (parts.bindings.length > limits.storageBindings) {
    throw new AppError(
      'ENGINE_OUT_OF_MEMORY',
      `engine webgpu needs ${parts.bindings.length} bindings for arrays in pieces of ${limits.bindingBytes} bytes, and the device gives ${limits.storageBindings}`,
    );
  }
  const bindGroupLayout = device.createBindGroupLayout({ entries: layoutEntries(parts.bindings) });
  const pipelineLayout = device.createPipelineLayout({ bindGroupLayouts: [bindGroupLayout] });
  const prelude = preludeOf(layout, parts);
  return {
    layout: bindGroupLayout,
    names: parts.bindings.map(({ name }) => name),
    pipeline(file, entryPoint) {
      const code = [prelude, ...PARTS[file].map(partText), read(file)].join('\n');
      const module = device.createShaderModule({ label: file, code });
      return device.createComputePipeline({ layout: pipelineLayout, compute: { module, entryPoint } });
    },
  };
}

function partText(name: string): string {
  const text = read(name);
  if (!text.includes('TABLE_')) return text;
  return ['users', 'movies']
    .map((table) => text.replaceAll(/\bTABLE_|_TABLE\b/g, (at) => at.replace('TABLE', table)))
    .join('\n');
}

function layoutEntries(bindings: Binding[]): GPUBindGroupLayoutEntry[] {
  const visibility = COMPUTE_STAGE;
  return [
    {
      binding: 0,
      visibility,
      buffer: { type: 'uniform', hasDynamicOffset: true, minBindingSize: UNIFORM_BYTES },
    },
    ...bindings.map(
      ({ writable }, index): GPUBindGroupLayoutEntry => ({
        binding: index + 1,
        visibility,
        buffer: { type: writable ? 'storage' : 'read-only-storage' },
      }),
    ),
  ];
}

export function bindGroup(
  { device }: Gpu,
  { layout, names }: Program,
  uniforms: GPUBuffer,
  buffers: Record<string, GPUBuffer>,
): GPUBindGroup {
  return device.createBindGroup({
    layout,
    entries: [
      { binding: 0, resource: { buffer: uniforms, size: UNIFORM_BYTES } },
      ...names.map((name, index) => ({ binding: index + 1, resource: { buffer: buffers[name] } })),
    ],
  });
}

function preludeOf({ constants, floats }: Layout, { struct, fields, bindings, functions }: ProgramParts) {
  const lines = [
    ...Object.entries(constants).map(([name, value]) => {
      return `const ${name} = ${typeof value === 'boolean' ? value : `${value}u`};`;
    }),
    // Of no type: WGSL computes with them in float64 until they meet an f32.
    ...Object.entries(floats).map(([name, value]) => {
      return `const ${name} = ${Number.isInteger(value) ? `${value}.0` : value};`;
    }),
    `struct Each { ${fields} }`,
    `@group(0) @binding(0) var<uniform> ${struct}: Each;`,
    ...bindings.map(({ name, element, writable }, index) => {
      const access = writable ? 'read_write' : 'read';
      return `@group(0) @binding(${index + 1}) var<storage, ${access}> ${name}: array<${element}>;`;
    }),
  ];
  return `${lines.join('\n')}${functions}\n`;
}
