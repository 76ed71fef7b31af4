// lora_backward_ab: the gradients of the adapters' two matrices.
//
// Math      da[uS + j, k]               += sum_n du[n, uS + j] * drop(x)[n, k]                     for each segment S
//           db[rowS + c - beginS, j]    += scale * sum_n dy[n, c] * u[n, uS + j]       beginS <= c < endS
//           drop(x)[n, k] = 0 if unit(hash(seed, step, keys[n], tag + (uS + j) / rank, k)) < rate, else x[n, k] * keep
// Source    Hu et al., arXiv:2106.09685, section 4.1, differentiated
// Shapes    x: (N, ldx), from column `column`; dy: (N, ldy); u, du: (N, ru); keys: (N) u32; da: (ru, K); db: (rows of B, rank)
// Dispatch  one invocation for 8 columns of the rank and 4 columns of x or dy, flat: first all of da, then all of db; sums
//           over n in order. No workgroup memory: for adapters that run on the CPU. `keys` is bound for writing because
//           without dropout nothing stands in for it.
// Oracle    test/reference/lora.ts, loraBackwardAb()

struct Params {
  ldx: u32, column: u32, K: u32, ldy: u32, ru: u32, rank: u32, scale: f32, tag: u32, rate: f32, keep: f32, segments: u32,
  begin0: u32, end0: u32, u0: u32, row0: u32,
  begin1: u32, end1: u32, u1: u32, row1: u32,
  begin2: u32, end2: u32, u2: u32, row2: u32,
}
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const ROWS = 0u; // one of 0, 1, 2: the rows counted by Step are N tokens, M loss tokens or R sequences
const DROPOUT = 0u; // one of 0, 1

@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> u: array<f32>;
@group(0) @binding(3) var<storage, read_write> du: array<f32>;
@group(0) @binding(4) var<storage, read_write> keys: array<u32>;
@group(0) @binding(5) var<storage, read_write> da: array<f32>;
@group(0) @binding(6) var<storage, read_write> db: array<f32>;
@group(0) @binding(7) var<uniform> p: Params;
@group(0) @binding(8) var<uniform> step: Step;

fn pcg(value: u32) -> u32 {
  let state = value * 747796405u + 2891336453u;
  let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
  return (word >> 22u) ^ word;
}

/// The hash of everything but the channel.
fn stream(row: u32, projection: u32) -> u32 {
  return pcg(pcg(pcg(pcg(0x9e3779b9u ^ step.seed) ^ step.step) ^ keys[row]) ^ (p.tag + projection));
}

fn drop4(h: u32, k: vec4u) -> vec4f {
  let bits = vec4u(pcg(h ^ k.x), pcg(h ^ k.y), pcg(h ^ k.z), pcg(h ^ k.w));
  return select(vec4f(p.keep), vec4f(0.0), vec4f(bits >> vec4u(8u)) / 16777216.0 < vec4f(p.rate));
}

/// begin, end, first column of u, first row of B
fn segment(s: u32) -> vec4u {
  if (s == 0u) { return vec4u(p.begin0, p.end0, p.u0, p.row0); }
  if (s == 1u) { return vec4u(p.begin1, p.end1, p.u1, p.row1); }
  return vec4u(p.begin2, p.end2, p.u2, p.row2);
}

fn tilesOf(columns: u32) -> u32 { return (columns + 3u) / 4u; }

@compute @workgroup_size(16)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 16u + lane;
  let rows = select(select(step.N, step.M, ROWS == 1u), step.R, ROWS == 2u);
  let rankTiles = (p.rank + 7u) / 8u;
  let j = (index % rankTiles) * 8u;
  var wide = index / rankTiles;
  let isA = wide < tilesOf(p.K) * p.segments;
  var which = 0u;
  if (isA) {
    which = wide / tilesOf(p.K);
    wide = wide % tilesOf(p.K);
  } else {
    wide -= tilesOf(p.K) * p.segments;
    while (which < p.segments && wide >= tilesOf(segment(which).y - segment(which).x)) {
      wide -= tilesOf(segment(which).y - segment(which).x);
      which += 1u;
    }
  }
  if (which >= p.segments) { return; }
  let s = segment(which);
  let width = select(s.y - s.x, p.K, isA);
  let w = wide * 4u;

  // Columns past the end repeat the last one and are not stored.
  let offsets = vec4u(0u, 1u, 2u, 3u);
  let r0 = s.z + min(j + offsets, vec4u(p.rank - 1u));
  let r1 = s.z + min(j + 4u + offsets, vec4u(p.rank - 1u));
  let column = min(w + offsets, vec4u(width - 1u));
  var sum0 = vec4f(0.0);
  var sum1 = vec4f(0.0);
  var sum2 = vec4f(0.0);
  var sum3 = vec4f(0.0);
  var sum4 = vec4f(0.0);
  var sum5 = vec4f(0.0);
  var sum6 = vec4f(0.0);
  var sum7 = vec4f(0.0);
  if (isA) {
    for (var n = 0u; n < rows; n++) {
      let at = n * p.ru;
      let a0 = vec4f(du[at + r0.x], du[at + r0.y], du[at + r0.z], du[at + r0.w]);
      let a1 = vec4f(du[at + r1.x], du[at + r1.y], du[at + r1.z], du[at + r1.w]);
      let base = n * p.ldx + p.column;
      var value = vec4f(x[base + column.x], x[base + column.y], x[base + column.z], x[base + column.w]);
      if (DROPOUT == 1u) {
        let h = stream(n, s.z / p.rank);
        value *= drop4(h, column);
      }
      sum0 += a0.x * value;
      sum1 += a0.y * value;
      sum2 += a0.z * value;
      sum3 += a0.w * value;
      sum4 += a1.x * value;
      sum5 += a1.y * value;
      sum6 += a1.z * value;
      sum7 += a1.w * value;
    }
  } else {
    for (var n = 0u; n < rows; n++) {
      let at = n * p.ru;
      let a0 = vec4f(u[at + r0.x], u[at + r0.y], u[at + r0.z], u[at + r0.w]);
      let a1 = vec4f(u[at + r1.x], u[at + r1.y], u[at + r1.z], u[at + r1.w]);
      let base = n * p.ldy + s.x;
      let value = vec4f(dy[base + column.x], dy[base + column.y], dy[base + column.z], dy[base + column.w]);
      sum0 += a0.x * value;
      sum1 += a0.y * value;
      sum2 += a0.z * value;
      sum3 += a0.w * value;
      sum4 += a1.x * value;
      sum5 += a1.y * value;
      sum6 += a1.z * value;
      sum7 += a1.w * value;
    }
  }
  // Indexed only here: in the loops the sums stay in registers.
  let sums = array<vec4f, 8>(sum0, sum1, sum2, sum3, sum4, sum5, sum6, sum7);
  for (var i = 0u; i < 8u && j + i < p.rank; i++) {
    for (var t = 0u; t < 4u && w + t < width; t++) {
      let sum = sums[i][t];
      if (isA) {
        da[(s.z + j + i) * p.K + w + t] += sum;
      } else {
        db[(s.w + w + t) * p.rank + j + i] += p.scale * sum;
      }
    }
  }
}
