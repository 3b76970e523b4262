// The types of WebGPU, for the files of this folder; they name them as globals, as browsers have them. Nothing at run time.

/// <reference types="@webgpu/types" preserve="true" />

export {};
