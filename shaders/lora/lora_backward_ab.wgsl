// lora_backward_ab: the gradients of the adapters' two matrices.
//
// Math      da[uS + j, k]               += sum_n du[n, uS + j] * drop(x)[n, k]                     for each segment S
//           db[rowS + c - beginS, j]    += scale * sum_n dy[n, c] * u[n, uS + j]       beginS <= c < endS
//           drop(x)[n, k] = 0 if unit(hash(seed, step, keys[n], tag + (uS + j) / rank, k)) < rate, else x[n, k] * keep
// Source    Hu et al., arXiv:2106.09685, section 4.1, differentiated
// Shapes    x: (N, ldx), from column `column`; dy: (N, ldy); u, du: (N, ru); keys: (N) u32; da: (ru, K); db: (rows of B, rank)
// Dispatch  one invocation for 4 columns of the rank and 4 columns of x or dy, flat: first all of da, then all of db; sums over n
//           in order. No workgroup memory: for adapters that run on the CPU. `keys` is bound for writing because without dropout nothing stands in for it.
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
  let j = (index % tilesOf(p.rank)) * 4u;
  let rank4 = min(vec4u(j, j + 1u, j + 2u, j + 3u), vec4u(p.rank - 1u));
  var wide = index / tilesOf(p.rank);
  var sum0 = vec4f(0.0);
  var sum1 = vec4f(0.0);
  var sum2 = vec4f(0.0);
  var sum3 = vec4f(0.0);

  let tilesA = tilesOf(p.K);
  if (wide < tilesA * p.segments) {
    let s = segment(wide / tilesA);
    let k = (wide % tilesA) * 4u;
    let k4 = min(vec4u(k, k + 1u, k + 2u, k + 3u), vec4u(p.K - 1u));
    let at = s.z + rank4;
    for (var n = 0u; n < rows; n++) {
      let base = n * p.ldx + p.column;
      var value = vec4f(x[base + k4.x], x[base + k4.y], x[base + k4.z], x[base + k4.w]);
      if (DROPOUT == 1u) { value *= drop4(stream(n, s.z / p.rank), k4); }
      let d = n * p.ru + at;
      sum0 += du[d.x] * value;
      sum1 += du[d.y] * value;
      sum2 += du[d.z] * value;
      sum3 += du[d.w] * value;
    }
    let sums = array<vec4f, 4>(sum0, sum1, sum2, sum3);
    for (var i = 0u; i < 4u && j + i < p.rank; i++) {
      for (var t = 0u; t < 4u && k + t < p.K; t++) {
        da[(s.z + j + i) * p.K + k + t] += sums[i][t];
      }
    }
    return;
  }

  wide -= tilesA * p.segments;
  var which = 0u;
  var s = segment(0u);
  while (which < p.segments && wide >= tilesOf(s.y - s.x)) {
    wide -= tilesOf(s.y - s.x);
    which += 1u;
    s = segment(which);
  }
  if (which >= p.segments) { return; }
  let c = wide * 4u;
  let length = s.y - s.x;
  let c4 = s.x + min(vec4u(c, c + 1u, c + 2u, c + 3u), vec4u(length - 1u));
  let at = s.z + rank4;
  for (var n = 0u; n < rows; n++) {
    let d = n * p.ru + at;
    let value = vec4f(u[d.x], u[d.y], u[d.z], u[d.w]);
    let base = n * p.ldy;
    sum0 += dy[base + c4.x] * value;
    sum1 += dy[base + c4.y] * value;
    sum2 += dy[base + c4.z] * value;
    sum3 += dy[base + c4.w] * value;
  }
  let sums = array<vec4f, 4>(sum0, sum1, sum2, sum3);
  for (var i = 0u; i < 4u && c + i < length; i++) {
    for (var t = 0u; t < 4u && j + t < p.rank; t++) {
      db[(s.w + c + i) * p.rank + j + t] += p.scale * sums[i][t];
    }
  }
}
