// lora_u: the down projection of stacked adapters.
//
// Math      u[n, j] = sum_k drop(x)[n, k] * a[j, k]
//           drop(x)[n, k] = 0 if unit(hash(seed, step, keys[n], tag + j / rank, k)) < rate, else x[n, k] * keep
// Source    Hu et al., arXiv:2106.09685, section 4.1; dropout as in PEFT: on the adapter's input, a mask for each adapter
// Shapes    x: (N, ldx), from column `column`; a: (ru, K); keys: (N) u32; u: (N, ru); ru = projections * rank
// Dispatch  one invocation for 4 tokens and 4 columns of u, flat; a sum over k in order, so a row does not depend on N. No workgroup
//           memory: for adapters that run on the CPU.
// Oracle    test/reference/lora.ts, loraU()

struct Params { ldx: u32, column: u32, K: u32, rank: u32, projections: u32, tag: u32, rate: f32, keep: f32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const ROWS = 0u; // one of 0, 1, 2: the rows counted by Step are N tokens, M loss tokens or R sequences
const DROPOUT = 0u; // one of 0, 1

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> u: array<f32>;
@group(0) @binding(4) var<uniform> p: Params;
@group(0) @binding(5) var<uniform> step: Step;

fn pcg(value: u32) -> u32 {
  let state = value * 747796405u + 2891336453u;
  let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
  return (word >> 22u) ^ word;
}

/// The hash of everything but the channel.
fn stream(row: u32, projection: u32) -> u32 {
  return pcg(pcg(pcg(pcg(0x9e3779b9u ^ step.seed) ^ step.step) ^ keys[row]) ^ (p.tag + projection));
}

fn drop4(h: vec4u, k: u32) -> vec4f {
  let bits = vec4u(pcg(h.x ^ k), pcg(h.y ^ k), pcg(h.z ^ k), pcg(h.w ^ k));
  return select(vec4f(p.keep), vec4f(0.0), vec4f(bits >> vec4u(8u)) / 16777216.0 < vec4f(p.rate));
}

@compute @workgroup_size(16)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 16u + lane;
  let rows = select(select(step.N, step.M, ROWS == 1u), step.R, ROWS == 2u);
  let rankTiles = (p.rank + 3u) / 4u;
  let tiles = rankTiles * p.projections;
  let n = index / tiles * 4u;
  if (n >= rows) { return; }
  let projection = (index % tiles) / rankTiles;
  let j = (index % rankTiles) * 4u;

  let row = min(vec4u(n, n + 1u, n + 2u, n + 3u), vec4u(rows - 1u));
  let rowA = projection * p.rank + min(vec4u(j, j + 1u, j + 2u, j + 3u), vec4u(p.rank - 1u));
  let xBase = row * p.ldx + p.column;
  let aBase = rowA * p.K;
  var h = vec4u(0u);
  if (DROPOUT == 1u) {
    h = vec4u(stream(row.x, projection), stream(row.y, projection), stream(row.z, projection), stream(row.w, projection));
  }
  var sum0 = vec4f(0.0);
  var sum1 = vec4f(0.0);
  var sum2 = vec4f(0.0);
  var sum3 = vec4f(0.0);
  for (var k = 0u; k < p.K; k++) {
    var value = vec4f(x[xBase.x + k], x[xBase.y + k], x[xBase.z + k], x[xBase.w + k]);
    if (DROPOUT == 1u) { value *= drop4(h, k); }
    let weight = vec4f(a[aBase.x + k], a[aBase.y + k], a[aBase.z + k], a[aBase.w + k]);
    sum0 += value.x * weight;
    sum1 += value.y * weight;
    sum2 += value.z * weight;
    sum3 += value.w * weight;
  }
  let sums = array<vec4f, 4>(sum0, sum1, sum2, sum3);
  let ru = p.projections * p.rank;
  for (var i = 0u; i < 4u && n + i < rows; i++) {
    for (var t = 0u; t < 4u && j + t < p.rank; t++) {
      u[(n + i) * ru + projection * p.rank + j + t] = sums[i][t];
    }
  }
}
