// kv_append: copies the keys and values of tokens into the caches of their sequences.
//
// Math      kCache[slot, index] = k[n];  vCache[slot, index] = v[n], with (slot, index) = targets[n]
// Source    the cache layout of attention_decode
// Shapes    k: (N, K D) f32; v: columns (H + K) D.. of qkv (N, (H + 2K) D); caches: (slots, maxLength, K D); targets: (N, 2) u32
//           Tokens with slot 0xffffffff are left out. row4 = K D / 4, first4 and stride4 the place of v in qkv, in fours.
// Dispatch  ceil(N K D / 256) workgroups, one thread for 4 channels of one token
// Oracle    a copy, test/kernels/attention/attention_decode.test.ts

struct Params { row4: u32, first4: u32, stride4: u32, maxLength: u32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const ROWS = 0u; // one of 0, 1: the tokens counted by Step are N (0) or one of each of R sequences (1)

@group(0) @binding(0) var<storage, read> targets: array<vec2u>;
@group(0) @binding(1) var<storage, read_write> k: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> qkv: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> kCache: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> vCache: array<vec4f>;
@group(0) @binding(5) var<uniform> p: Params;
@group(0) @binding(6) var<uniform> step: Step;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let id = (group.y * groups.x + group.x) * 64u + lane;
  let n = id / p.row4;
  let c = id % p.row4;
  if (n >= select(step.N, step.R, ROWS == 1u)) { return; }
  let place = targets[n];
  if (place.x == 0xffffffffu || place.y >= p.maxLength) { return; }
  let at = (place.x * p.maxLength + place.y) * p.row4 + c;
  kCache[at] = k[id];
  vCache[at] = qkv[n * p.stride4 + p.first4 + c];
}
