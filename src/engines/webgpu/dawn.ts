// Dawn, the implementation of WebGPU that Chrome has, through the npm package `webgpu`: an instance, and the best of its adapters.
// The package is optional and 130 MB, so it is loaded when a door is tried, never on import.

import './webgpuTypes.js';

const PACKAGE = 'webgpu';
const VERSION = '0.6.2';

interface Dawn {
  create(options: string[]): GPU;
  globals: Record<string, unknown>;
}

export interface FoundAdapter {
  dawn: Dawn;
  gpu: GPU;
  adapter: GPUAdapter;
  /** In words: "GPU nvidia-h100 (NVIDIA: 550.54.15), WebGPU". */
  device: string;
  /** It computes on the CPU. */
  isSoftware: boolean;
}

/** For tests: how to load the package and a shared library, and what for. */
export interface Surroundings {
  importPackage: (name: string) => Promise<unknown>;
  platform: string;
  openLibrary: (name: string) => void;
  /** Of Dawn: "backend=null". */
  options: string[];
}

/**
 * The shaders write all that they read of a workgroup's memory. Zeros there first cost SwiftShader seconds for each shader it compiles
 * (take_samples, K 256: 5.3 s instead of 0.6), and a GPU some microseconds a dispatch.
 */
const OPTIONS = ['enable-dawn-features=disable_workgroup_init'];

/**
 * One for each set of options, for as long as the process lives: an instance that is collected while anything of it is in use aborts the
 * process ("futex facility returned an unexpected error code"). Condition for removal: devices that hold theirs (webgpu 0.6.2 does not).
 */
const instances = new Map<string, GPU>();

/** @throws Error with the reason when there is none */
export async function findAdapter(surroundings: Partial<Surroundings> = {}): Promise<FoundAdapter> {
  const { platform = process.platform, options = [] } = surroundings;
  const { importPackage = (name) => import(name), openLibrary = openSharedLibrary } = surroundings;
  const dawn = await loadPackage(importPackage);
  if (platform === 'linux') checkVulkan(openLibrary);
  const gpu = instanceOf(dawn, [...OPTIONS, ...options]);
  // A discrete GPU before an integrated one, and either before a software driver.
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new Error(NO_ADAPTER[platform] ?? 'no GPU that WebGPU can use');
  return { dawn, gpu, adapter, ...describe(adapter.info) };
}

const NO_ADAPTER: Record<string, string> = {
  linux:
    'no GPU with a Vulkan driver: install that of its vendor, or mesa-vulkan-drivers; `vulkaninfo --summary` lists what is there',
};

async function loadPackage(importPackage: Surroundings['importPackage']): Promise<Dawn> {
  try {
    return (await importPackage(PACKAGE)) as Dawn;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ERR_MODULE_NOT_FOUND' || /Cannot find (module|package)/.test(message)) {
      throw new Error(`package ${PACKAGE} is not installed: npm i ${PACKAGE}@${VERSION}`, { cause: error });
    }
    throw new Error(`package ${PACKAGE} does not load: ${message.split('\n', 1)[0]}`, { cause: error });
  }
}

/** Asked first, since Dawn writes to stderr when the library is missing. */
function checkVulkan(openLibrary: Surroundings['openLibrary']): void {
  try {
    openLibrary('libvulkan.so.1');
  } catch (error) {
    if (!/cannot open shared object file/.test((error as Error).message)) return;
    throw new Error(
      'libvulkan.so.1 is not installed: apt-get install libvulkan1, and the Vulkan driver of the GPU',
    );
  }
}

function instanceOf(dawn: Dawn, options: string[]): GPU {
  const key = options.join(' ');
  const gpu = instances.get(key) ?? dawn.create(options);
  instances.set(key, gpu);
  return gpu;
}

/** Fails in one way for a library that is not there, in another for one that is, since it is no addon of Node's. */
function openSharedLibrary(name: string): void {
  process.dlopen({ exports: {} }, name);
}

function describe(info: GPUAdapterInfo): Pick<FoundAdapter, 'device' | 'isSoftware'> {
  const names = [info.vendor, info.architecture, info.device, info.description].join(' ');
  const isSoftware = info.isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|basic render/i.test(names);
  const name = (info.device || info.architecture || info.vendor).replace(/-+$/, '');
  const driver = info.description && info.description !== name ? ` (${info.description})` : '';
  return { device: `${isSoftware ? 'CPU, software driver' : 'GPU'} ${name}${driver}, WebGPU`, isSoftware };
}

/** With all that the adapter offers of what the engine can use. */
export function requestDevice({ adapter }: FoundAdapter): Promise<GPUDevice> {
  const names = [
    'maxStorageBufferBindingSize',
    'maxBufferSize',
    'maxStorageBuffersPerShaderStage',
    'maxComputeWorkgroupStorageSize',
    'maxComputeInvocationsPerWorkgroup',
    'maxComputeWorkgroupSizeX',
  ] as const;
  const requiredLimits = Object.fromEntries(names.map((name) => [name, adapter.limits[name]]));
  return adapter.requestDevice({ label: 'marquee', requiredLimits });
}
