// linear_backward_w_tiled: the gradient of a linear layer's weight, added to what is there, through workgroup memory.
//
// Math      dw[m, k] += sum_n dy[n, dyColumn + m] x[n, xColumn + k]
// Source    y = x W' gives dW = dy' x; a Conv1D, y = x W, gives dW = x' dy: the same with x and dy exchanged
// Shapes    dy: (N, ldy) f32; x: (N, ldx) f32; dw: (M, K) f32; M, K, ldx, ldy, dyColumn and xColumn are multiples of 4
// Workgroup 128 * BK * 4 bytes
// Dispatch  ceil(K / 64) x ceil(M / 64) workgroups of 128 invocations, each 8 rows x 4 columns in registers. Half of them
//           fetch a tile of dy and half a tile of x. Each sum is in the order of the tokens.
// Oracle    test/reference/linear.ts, linearBackwardW()

struct Params {
  M: u32, // shape of dw
  K: u32,
  dyColumn: u32,
  ldy: u32,
  xColumn: u32,
  ldx: u32,
  counted: u32, // the rows counted by Step are N tokens (0) or M loss tokens (1) or R sequences (2)
}
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const BK = 16u; // tokens in a tile: 4 for each quarter of the loading invocations

@group(0) @binding(0) var<storage, read_write> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> dw: array<vec4f>;
@group(0) @binding(3) var<uniform> p: Params;
@group(0) @binding(4) var<uniform> step: Step;

// Token major: the 64 columns of one token are 16 vectors side by side.
var<workgroup> tileA: array<vec4f, 16u * BK>;
var<workgroup> tileB: array<vec4f, 16u * BK>;

fn store(m: u32, k: u32, value: vec4f) {
  if (m < p.M && k < p.K) { dw[(m * p.K + k) >> 2u] += value; }
}

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let rows = select(select(step.N, step.M, p.counted == 1u), step.R, p.counted == 2u);
  let m0 = 64u * group.y;
  let k0 = 64u * group.x;
  let tx = lane & 15u;
  let ty = lane >> 4u;
  // What this invocation fetches: 4 columns of 4 tokens. Columns past the end are the last ones.
  let part = lane & 15u;
  let quad = (lane >> 4u) & 3u;
  let fetchesDy = lane < 64u;
  let dyAt = p.dyColumn + min(m0 + 4u * part, p.M - 4u);
  let xAt = p.xColumn + min(k0 + 4u * part, p.K - 4u);
  var s0 = vec4f(0.0); var s1 = vec4f(0.0); var s2 = vec4f(0.0); var s3 = vec4f(0.0);
  var s4 = vec4f(0.0); var s5 = vec4f(0.0); var s6 = vec4f(0.0); var s7 = vec4f(0.0);

  for (var n0 = 0u; n0 < rows; n0 += BK) {
    for (var i = 0u; i < 4u; i++) {
      let n = n0 + 4u * quad + i;
      var value = vec4f(0.0);
      if (fetchesDy) {
        if (n < rows) { value = dy[(n * p.ldy + dyAt) >> 2u]; }
        tileA[64u * quad + 16u * i + part] = value;
      } else {
        if (n < rows) { value = x[(n * p.ldx + xAt) >> 2u]; }
        tileB[64u * quad + 16u * i + part] = value;
      }
    }
    workgroupBarrier();
    for (var i = 0u; i < BK; i++) {
      let b = tileB[16u * i + tx];
      let low = tileA[16u * i + 2u * ty];
      let high = tileA[16u * i + 2u * ty + 1u];
      s0 += low.x * b; s1 += low.y * b; s2 += low.z * b; s3 += low.w * b;
      s4 += high.x * b; s5 += high.y * b; s6 += high.z * b; s7 += high.w * b;
    }
    workgroupBarrier();
  }

  let m = m0 + 8u * ty;
  let k = k0 + 4u * tx;
  store(m + 0u, k, s0);
  store(m + 1u, k, s1);
  store(m + 2u, k, s2);
  store(m + 3u, k, s3);
  store(m + 4u, k, s4);
  store(m + 5u, k, s5);
  store(m + 6u, k, s6);
  store(m + 7u, k, s7);
}
