// What the engine `wasm` uses of WebAssembly: TypeScript has it only in its library for browsers, and Node's types leave it out.

declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Memory {
    constructor(options: { initial: number; maximum: number; shared: true });
    /** 64 KiB a page. */
    readonly buffer: SharedArrayBuffer;
  }
  class Global {
    value: number;
  }
  class Instance {
    constructor(module: Module, imports: { env: { memory: Memory; seconds: () => number } });
    readonly exports: Record<string, unknown>;
  }
}
