// rope_backward: gradient of rope_forward for the queries and keys of the fused projection.
//
// Math      g[c] = dy[c] cos + dy[c + h] sin;  g[c + h] = dy[c + h] cos - dy[c] sin  (the rotation by minus the angle)
//           with norm: u = g (norm + offset), xhat = x rstd:  d_x = rstd (u - xhat mean(u xhat)); else d_x = g
// Source    the adjoint of rope_forward; RMSNorm: arXiv:1910.07467
// Shapes    qkv, d_qkv: (N, (H + 2K) D) f32, of d_qkv all but the values; dq: (N, H, D); dk: (N, K, D); positions: (N) u32
//           rotations: (positions, 2 half) f32, cosines then sines; qNorm, kNorm: (D), read if NORM is 1
// Workgroup 512 bytes if LANES > 1
// Dispatch  LANES threads share a head of a token; 64 / LANES heads a workgroup, over N (H + K) of them; sums in fixed order
// Oracle    test/reference/rope.ts, ropeBackward()

struct Params { heads: u32, kvHeads: u32, D: u32, half: u32, eps: f32, offset: f32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const LANES = 16u; // one of 16, 1
const NORM = 0u; // one of 0, 1

@group(0) @binding(0) var<storage, read> rotations: array<f32>;
@group(0) @binding(1) var<storage, read> positions: array<u32>;
@group(0) @binding(2) var<storage, read> qNorm: array<f32>;
@group(0) @binding(3) var<storage, read> kNorm: array<f32>;
@group(0) @binding(4) var<storage, read_write> qkv: array<f32>;
@group(0) @binding(5) var<storage, read_write> dq: array<f32>;
@group(0) @binding(6) var<storage, read_write> dk: array<f32>;
@group(0) @binding(7) var<storage, read_write> dqkv: array<f32>;
@group(0) @binding(8) var<uniform> p: Params;
@group(0) @binding(9) var<uniform> step: Step;

var<workgroup> partial: array<vec2f, 64>;

fn normWeight(isKey: bool, c: u32) -> f32 {
  if (NORM == 0u) { return 1.0; }
  if (isKey) { return kNorm[c] + p.offset; }
  return qNorm[c] + p.offset;
}

fn dy(isKey: bool, index: u32) -> f32 {
  if (isKey) { return dk[index]; }
  return dq[index];
}

// u of channels c and c + half.
fn rotatedBack(isKey: bool, upstream: u32, rotation: u32, c: u32) -> vec2f {
  let a = dy(isKey, upstream + c);
  let b = dy(isKey, upstream + c + p.half);
  let x = rotations[rotation + c];
  let y = rotations[rotation + p.half + c];
  return vec2f((a * x + b * y) * normWeight(isKey, c), (b * x - a * y) * normWeight(isKey, c + p.half));
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let unit = (group.y * groups.x + group.x) * (64u / LANES) + thread / LANES;
  let lane = thread % LANES;
  let units = p.heads + p.kvHeads;
  let inside = unit < step.N * units;
  let n = select(0u, unit / units, inside);
  let head = unit % units;
  let isKey = head >= p.heads;
  let base = (n * (units + p.kvHeads) + head) * p.D;
  let upstream = select((n * p.heads + head) * p.D, (n * p.kvHeads + head - p.heads) * p.D, isKey);
  let rotation = positions[n] * 2u * p.half;

  // d_x = rstd u - x pull, with u as above.
  var rstd = 1.0;
  var pull = 0.0;
  if (NORM == 1u) {
    var sums = vec2f(); // of x^2, of u x
    for (var c = lane; c < p.half; c += LANES) {
      let a = qkv[base + c];
      let b = qkv[base + c + p.half];
      let u = rotatedBack(isKey, upstream, rotation, c);
      sums += vec2f(a * a + b * b, a * u.x + b * u.y);
    }
    for (var c = 2u * p.half + lane; c < p.D; c += LANES) {
      let a = qkv[base + c];
      sums += vec2f(a * a, a * dy(isKey, upstream + c) * normWeight(isKey, c));
    }
    if (LANES > 1u) {
      partial[thread] = sums;
      workgroupBarrier();
      sums = vec2f();
      for (var l = 0u; l < LANES; l++) { sums += partial[thread - lane + l]; }
    }
    rstd = inverseSqrt(sums.x / f32(p.D) + p.eps);
    pull = rstd * rstd * rstd * sums.y / f32(p.D);
  }
  if (!inside) { return; }

  for (var c = lane; c < p.half; c += LANES) {
    var d = rstd * rotatedBack(isKey, upstream, rotation, c);
    if (NORM == 1u) { d -= pull * vec2f(qkv[base + c], qkv[base + c + p.half]); }
    dqkv[base + c] = d.x;
    dqkv[base + c + p.half] = d.y;
  }
  for (var c = 2u * p.half + lane; c < p.D; c += LANES) {
    var d = rstd * dy(isKey, upstream + c) * normWeight(isKey, c);
    if (NORM == 1u) { d -= pull * qkv[base + c]; }
    dqkv[base + c] = d;
  }
}
