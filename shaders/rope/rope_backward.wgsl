// rope_backward: gradient of rope_forward for the query section, or the key section, of the fused projection.
//
// Math      g[c] = dy[c] cos + dy[c + h] sin;  g[c + h] = dy[c + h] cos - dy[c] sin  (the rotation by minus the angle)
//           with norm: u = g (norm + offset), xhat = x rstd:  d_x = rstd (u - xhat mean(u xhat)); else d_x = g
// Source    the adjoint of rope_forward; RMSNorm: arXiv:1910.07467
// Shapes    qkv, d_qkv: (N, stride) f32, of which columns first .. first + heads D; dy: (N, heads, D)
//           cos, sin: (positions, half); positions: (N) u32; norm: (D), read if NORM is 1
// Workgroup 512 bytes if LANES > 1
// Dispatch  LANES threads share a head of a token; 64 / LANES heads a workgroup, over N heads of them; sums in fixed order
// Oracle    test/reference/rope.ts, ropeBackward()

struct Params { heads: u32, stride: u32, first: u32, D: u32, half: u32, eps: f32, offset: f32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const LANES = 16u; // one of 16, 1
const NORM = 0u; // one of 0, 1

@group(0) @binding(0) var<storage, read> cos: array<f32>;
@group(0) @binding(1) var<storage, read> sin: array<f32>;
@group(0) @binding(2) var<storage, read> positions: array<u32>;
@group(0) @binding(3) var<storage, read> norm: array<f32>;
@group(0) @binding(4) var<storage, read_write> qkv: array<f32>;
@group(0) @binding(5) var<storage, read_write> dy: array<f32>;
@group(0) @binding(6) var<storage, read_write> dqkv: array<f32>;
@group(0) @binding(7) var<uniform> p: Params;
@group(0) @binding(8) var<uniform> step: Step;

var<workgroup> partial: array<vec2f, 64>;

fn normWeight(c: u32) -> f32 {
  if (NORM == 0u) { return 1.0; }
  return norm[c] + p.offset;
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let unit = (group.y * groups.x + group.x) * (64u / LANES) + thread / LANES;
  let lane = thread % LANES;
  let inside = unit < step.N * p.heads;
  let n = select(0u, unit / p.heads, inside);
  let head = unit % p.heads;
  let base = n * p.stride + p.first + head * p.D;
  let upstream = (n * p.heads + head) * p.D;
  let angles = positions[n] * p.half;

  // d_x = rstd u - x pull, with u as above.
  var rstd = 1.0;
  var pull = 0.0;
  if (NORM == 1u) {
    var sums = vec2f(); // of x^2, of u x
    for (var c = lane; c < p.half; c += LANES) {
      let x = cos[angles + c];
      let y = sin[angles + c];
      let a = qkv[base + c];
      let b = qkv[base + c + p.half];
      let u = (dy[upstream + c] * x + dy[upstream + c + p.half] * y) * normWeight(c);
      let v = (dy[upstream + c + p.half] * x - dy[upstream + c] * y) * normWeight(c + p.half);
      sums += vec2f(a * a + b * b, a * u + b * v);
    }
    for (var c = 2u * p.half + lane; c < p.D; c += LANES) {
      let a = qkv[base + c];
      sums += vec2f(a * a, a * dy[upstream + c] * normWeight(c));
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
    let x = cos[angles + c];
    let y = sin[angles + c];
    let u = (dy[upstream + c] * x + dy[upstream + c + p.half] * y) * normWeight(c);
    let v = (dy[upstream + c + p.half] * x - dy[upstream + c] * y) * normWeight(c + p.half);
    var a = rstd * u;
    var b = rstd * v;
    if (NORM == 1u) {
      a -= pull * qkv[base + c];
      b -= pull * qkv[base + c + p.half];
    }
    dqkv[base + c] = a;
    dqkv[base + c + p.half] = b;
  }
  for (var c = 2u * p.half + lane; c < p.D; c += LANES) {
    var a = rstd * dy[upstream + c] * normWeight(c);
    if (NORM == 1u) { a -= pull * qkv[base + c]; }
    dqkv[base + c] = a;
  }
}
