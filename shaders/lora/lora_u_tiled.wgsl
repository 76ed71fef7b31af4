// lora_u_tiled: the down projection of stacked adapters, with workgroup memory.
//
// Math      u[n, j] = sum_k drop(x)[n, k] * a[j, k]
//           drop(x)[n, k] = 0 if unit(hash(seed, step, keys[n], tag + j / rank, k)) < rate, else x[n, k] * keep
// Source    Hu et al., arXiv:2106.09685, section 4.1; dropout as in PEFT: on the adapter's input, a mask for each adapter
// Shapes    x: (N, ldx), from column `column`; a: (ru, K); keys: (N) u32; u: (N, ru); ru = projections * rank
// Workgroup 16384 bytes: 64 channels of 16 tokens and of 16 rows of a, five vec4 a channel so that neighbouring channels
//           fall into other banks; afterwards the sums of the 16 slices
// Dispatch  one workgroup for 16 tokens and 16 columns of u, flat. Sums are short and outputs few, so 16 slices of 16
//           invocations each take every 16th group of 4 channels; their sums are added in order. A row does not depend on N.
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

const A_TILE = 320u;
var<workgroup> tile: array<vec4f, 1024>;

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

fn loadX(base: vec4u, h: vec4u, k: u32) -> vec4f {
  if (k >= p.K) { return vec4f(0.0); }
  let value = vec4f(x[base.x + k], x[base.y + k], x[base.z + k], x[base.w + k]);
  if (DROPOUT == 1u) { return value * drop4(h, k); }
  return value;
}

fn loadA(base: vec4u, k: u32) -> vec4f {
  if (k >= p.K) { return vec4f(0.0); }
  return vec4f(a[base.x + k], a[base.y + k], a[base.z + k], a[base.w + k]);
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = group.y * groups.x + group.x;
  let rows = select(select(step.N, step.M, ROWS == 1u), step.R, ROWS == 2u);
  let rankTiles = (p.rank + 15u) / 16u;
  let tiles = rankTiles * p.projections;
  let n = index / tiles * 16u;
  if (n >= rows) { return; }
  let projection = (index % tiles) / rankTiles;
  let j = (index % rankTiles) * 16u;

  // Each invocation loads one channel of 4 tokens and of 4 rows of a; past the end, of the last ones, which are not stored.
  let loadK = lane % 64u;
  let quad = lane / 64u;
  let four = quad * 4u + vec4u(0u, 1u, 2u, 3u);
  let row = min(n + four, vec4u(rows - 1u));
  let xBase = row * p.ldx + p.column;
  let aBase = (projection * p.rank + min(j + four, vec4u(p.rank - 1u))) * p.K;
  var h = vec4u(0u);
  if (DROPOUT == 1u) {
    h = vec4u(stream(row.x, projection), stream(row.y, projection), stream(row.z, projection), stream(row.w, projection));
  }

  let slice = lane / 16u;
  let rowQuad = (lane / 4u) % 4u;
  let columnQuad = lane % 4u;
  var sum0 = vec4f(0.0);
  var sum1 = vec4f(0.0);
  var sum2 = vec4f(0.0);
  var sum3 = vec4f(0.0);
  var nextX = loadX(xBase, h, loadK);
  var nextA = loadA(aBase, loadK);
  for (var k = 0u; k < p.K; k += 64u) {
    tile[loadK * 5u + quad] = nextX;
    tile[A_TILE + loadK * 5u + quad] = nextA;
    workgroupBarrier();
    // The loads of the next 64 channels are under way while these are multiplied.
    nextX = loadX(xBase, h, k + 64u + loadK);
    nextA = loadA(aBase, k + 64u + loadK);
    for (var i = 0u; i < 4u; i++) {
      let at = (slice * 4u + i) * 5u;
      let value = tile[at + rowQuad];
      let weight = tile[A_TILE + at + columnQuad];
      sum0 += value.x * weight;
      sum1 += value.y * weight;
      sum2 += value.z * weight;
      sum3 += value.w * weight;
    }
    workgroupBarrier();
  }

  let at = slice * 64u + rowQuad * 16u + columnQuad;
  tile[at] = sum0;
  tile[at + 4u] = sum1;
  tile[at + 8u] = sum2;
  tile[at + 12u] = sum3;
  workgroupBarrier();
  var total = 0.0;
  for (var s = 0u; s < 16u; s++) { total += tile[s * 64u + lane / 4u][lane % 4u]; }
  let outRow = n + lane / 16u;
  let outColumn = j + lane % 16u;
  if (outRow < rows && outColumn < p.rank) {
    u[outRow * p.projections * p.rank + projection * p.rank + outColumn] = total;
  }
}
