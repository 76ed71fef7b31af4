// qk_norm_backward_w: gradient of the QK norm's weight: partial sums over a span of tokens.
//
// Math      partials[s, c] = sum over tokens n of span s, over heads, of g[n, head, c] * x[n, head, c] * rstd[n, head]
//           with g = dy rotated back, as in rope_backward; spans are ceil(N / SPANS) tokens
// Source    RMSNorm: arXiv:1910.07467; the adjoint of rope_forward
// Shapes    qkv: (N, stride) f32, of which columns first .. first + heads D; dy: (N, heads, D)
//           rotations: (positions, 2 half), cosines then sines; positions: (N) u32; partials: (SPANS, D)
// Workgroup 256 bytes
// Dispatch  SPANS workgroups. Threads first make rstd of 64 heads, one each, then sum them for one channel each, in order.
// Oracle    test/reference/rope.ts, ropeBackward()

struct Params { heads: u32, stride: u32, first: u32, D: u32, half: u32, eps: f32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const SPANS = 32u;

@group(0) @binding(0) var<storage, read> rotations: array<f32>;
@group(0) @binding(1) var<storage, read> positions: array<u32>;
@group(0) @binding(2) var<storage, read_write> qkv: array<f32>;
@group(0) @binding(3) var<storage, read_write> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> partials: array<f32>;
@group(0) @binding(5) var<uniform> p: Params;
@group(0) @binding(6) var<uniform> step: Step;

var<workgroup> rstds: array<f32, 64>;

// The gradient of the normalised head at channel c.
fn rotatedBack(upstream: u32, rotation: u32, c: u32) -> f32 {
  if (c >= 2u * p.half) { return dy[upstream + c]; }
  let at = rotation + c % p.half;
  let x = rotations[at];
  let y = rotations[at + p.half];
  if (c < p.half) { return dy[upstream + c] * x + dy[upstream + c + p.half] * y; }
  return dy[upstream + c] * x - dy[upstream + c - p.half] * y;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let span = (step.N + SPANS - 1u) / SPANS;
  let first = min(step.N, group.x * span) * p.heads;
  let last = min(step.N, (group.x + 1u) * span) * p.heads;

  var sums: array<f32, 4>; // channels lane, lane + 64, ...: D is at most 256
  for (var start = first; start < last; start += 64u) {
    let unit = min(start + lane, last - 1u);
    let base = unit / p.heads * p.stride + p.first + unit % p.heads * p.D;
    var square = 0.0;
    for (var c = 0u; c < p.D; c++) { square += qkv[base + c] * qkv[base + c]; }
    workgroupBarrier();
    rstds[lane] = inverseSqrt(square / f32(p.D) + p.eps);
    workgroupBarrier();
    for (var u = start; u < min(start + 64u, last); u++) {
      let n = u / p.heads;
      let head = n * p.stride + p.first + u % p.heads * p.D;
      let rotation = positions[n] * 2u * p.half;
      for (var i = 0u; i < 4u; i++) {
        let c = lane + 64u * i;
        if (c < p.D) { sums[i] += rotatedBack(u * p.D, rotation, c) * qkv[head + c] * rstds[u - start]; }
      }
    }
  }
  for (var i = 0u; i < 4u; i++) {
    let c = lane + 64u * i;
    if (c < p.D) { partials[group.x * p.D + c] = sums[i]; }
  }
}
