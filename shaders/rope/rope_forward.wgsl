// rope_forward: queries and keys from the fused projection: optional RMSNorm of each head, then rotary positions.
//
// Math      z = x * rstd * (norm + offset), rstd = 1 / sqrt(mean(x^2) + eps), or z = x without norm
//           y[c] = z[c] cos - z[c + h] sin;  y[c + h] = z[c + h] cos + z[c] sin;  c < h = half; other channels pass through
// Source    Su et al., arXiv:2104.09864, in the split-half form of transformers; QK norm: Qwen3 (offset 0), Gemma 3 (1)
// Shapes    qkv: (N, (H + 2K) D) f32; q: (N, H, D); k: (N, K, D); positions: (N) u32
//           rotations: (positions, 2 half) f32, cosines then sines; qNorm, kNorm: (D), read if NORM is 1
// Workgroup 256 bytes if LANES > 1
// Dispatch  LANES threads share a head of a token; 64 / LANES heads a workgroup, over N (H + K) of them; sums in fixed order
// Oracle    test/reference/rope.ts, ropeForward()

struct Params { heads: u32, kvHeads: u32, D: u32, half: u32, eps: f32, offset: f32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const LANES = 16u; // one of 16, 1
const NORM = 0u; // one of 0, 1

@group(0) @binding(0) var<storage, read> rotations: array<f32>;
@group(0) @binding(1) var<storage, read> positions: array<u32>;
@group(0) @binding(2) var<storage, read> qNorm: array<f32>;
@group(0) @binding(3) var<storage, read> kNorm: array<f32>;
@group(0) @binding(4) var<storage, read_write> qkv: array<f32>;
@group(0) @binding(5) var<storage, read_write> q: array<f32>;
@group(0) @binding(6) var<storage, read_write> k: array<f32>;
@group(0) @binding(7) var<uniform> p: Params;
@group(0) @binding(8) var<uniform> step: Step;

var<workgroup> partial: array<f32, 64>;

fn normWeight(isKey: bool, c: u32) -> f32 {
  if (NORM == 0u) { return 1.0; }
  if (isKey) { return kNorm[c] + p.offset; }
  return qNorm[c] + p.offset;
}

fn store(isKey: bool, index: u32, value: f32) {
  if (isKey) { k[index] = value; } else { q[index] = value; }
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

  var rstd = 1.0;
  if (NORM == 1u) {
    var sum = 0.0;
    for (var c = lane; c < p.D; c += LANES) { sum += qkv[base + c] * qkv[base + c]; }
    if (LANES > 1u) {
      partial[thread] = sum;
      workgroupBarrier();
      sum = 0.0;
      for (var l = 0u; l < LANES; l++) { sum += partial[thread - lane + l]; }
    }
    rstd = inverseSqrt(sum / f32(p.D) + p.eps);
  }
  if (!inside) { return; }

  let place = select((n * p.heads + head) * p.D, (n * p.kvHeads + head - p.heads) * p.D, isKey);
  let rotation = positions[n] * 2u * p.half;
  for (var c = lane; c < p.half; c += LANES) {
    let a = qkv[base + c] * rstd * normWeight(isKey, c);
    let b = qkv[base + c + p.half] * rstd * normWeight(isKey, c + p.half);
    let x = rotations[rotation + c];
    let y = rotations[rotation + p.half + c];
    store(isKey, place + c, a * x - b * y);
    store(isKey, place + c + p.half, b * x + a * y);
  }
  for (var c = 2u * p.half + lane; c < p.D; c += LANES) {
    store(isKey, place + c, qkv[base + c] * rstd * normWeight(isKey, c));
  }
}
