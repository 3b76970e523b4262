// What a GPU can do at most: chains of multiply-adds that need no memory, an array read and written, and a dispatch that does next to nothing.

@group(0) @binding(0) var<storage, read_write> results: array<f32>;

/** Four chains of vectors of 4, ROUNDS multiply-adds each; kept from being left out by a result that is never stored. */
@compute @workgroup_size(256)
fn multiply(@builtin(global_invocation_id) id: vec3u) {
  var a = vec4f(f32(id.x) * 1e-9);
  var b = a + vec4f(0.1);
  var c = a + vec4f(0.2);
  var d = a + vec4f(0.3);
  let factor = vec4f(0.999 + f32(id.y) * 1e-9);
  for (var round = 0u; round < ROUNDS; round++) {
    a = fma(a, factor, vec4f(1e-3));
    b = fma(b, factor, vec4f(1e-3));
    c = fma(c, factor, vec4f(1e-3));
    d = fma(d, factor, vec4f(1e-3));
  }
  if (dot(a + b, c + d) == -1.0) { results[0] = 1.0; }
}

@group(0) @binding(0) var<storage, read_write> vectors: array<vec4f>;

/** Every number of the array read and written, VECTORS vectors by each thread. */
@compute @workgroup_size(256)
fn stream(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let threads = groups.x * groups.y * 256u;
  let thread = id.y * groups.x * 256u + id.x;
  for (var n = 0u; n < VECTORS; n++) { vectors[n * threads + thread] += vec4f(1.0); }
}

@compute @workgroup_size(1)
fn nothing() {
  if (results[0] == -1.0) { results[1] = 1.0; }
}
