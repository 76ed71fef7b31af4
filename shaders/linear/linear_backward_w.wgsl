// linear_backward_w: the gradient of a linear layer's weight, added to what is there.
//
// Math      dw[m, k] += sum_n dy[n, dyColumn + m] x[n, xColumn + k]
// Source    y = x W' gives dW = dy' x; a Conv1D, y = x W, gives dW = x' dy: the same with x and dy exchanged
// Shapes    dy: (N, ldy) f32; x: (N, ldx) f32; dw: (M, K) f32
// Dispatch  ceil(K / 32) x ceil(M / 32) workgroups; an invocation makes 8 rows x 8 columns in registers, each sum
//           in the order of the tokens. No workgroup memory: for CPU adapters, and for shapes that the tiled kernel does
//           not take.
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

@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dw: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;
@group(0) @binding(4) var<uniform> step: Step;

@compute @workgroup_size(4, 4)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let m0 = id.y * 8u;
  let k0 = id.x * 8u;
  if (m0 >= p.M || k0 >= p.K) { return; }
  let rows = select(select(step.N, step.M, p.counted == 1u), step.R, p.counted == 2u);
  // Rows and columns past the end read the last one and are not stored.
  let a0At = p.dyColumn + min(m0, p.M - 1u);
  let a1At = p.dyColumn + min(m0 + 1u, p.M - 1u);
  let a2At = p.dyColumn + min(m0 + 2u, p.M - 1u);
  let a3At = p.dyColumn + min(m0 + 3u, p.M - 1u);
  let a4At = p.dyColumn + min(m0 + 4u, p.M - 1u);
  let a5At = p.dyColumn + min(m0 + 5u, p.M - 1u);
  let a6At = p.dyColumn + min(m0 + 6u, p.M - 1u);
  let a7At = p.dyColumn + min(m0 + 7u, p.M - 1u);
  let b0At = p.xColumn + min(k0, p.K - 1u);
  let b1At = p.xColumn + min(k0 + 1u, p.K - 1u);
  let b2At = p.xColumn + min(k0 + 2u, p.K - 1u);
  let b3At = p.xColumn + min(k0 + 3u, p.K - 1u);
  let b4At = p.xColumn + min(k0 + 4u, p.K - 1u);
  let b5At = p.xColumn + min(k0 + 5u, p.K - 1u);
  let b6At = p.xColumn + min(k0 + 6u, p.K - 1u);
  let b7At = p.xColumn + min(k0 + 7u, p.K - 1u);
  var s00 = vec4f(0.0); var s01 = vec4f(0.0);
  var s10 = vec4f(0.0); var s11 = vec4f(0.0);
  var s20 = vec4f(0.0); var s21 = vec4f(0.0);
  var s30 = vec4f(0.0); var s31 = vec4f(0.0);
  var s40 = vec4f(0.0); var s41 = vec4f(0.0);
  var s50 = vec4f(0.0); var s51 = vec4f(0.0);
  var s60 = vec4f(0.0); var s61 = vec4f(0.0);
  var s70 = vec4f(0.0); var s71 = vec4f(0.0);

  for (var n = 0u; n < rows; n++) {
    let dyRow = n * p.ldy;
    let xRow = n * p.ldx;
    let b0 = vec4f(x[xRow + b0At], x[xRow + b1At], x[xRow + b2At], x[xRow + b3At]);
    let b1 = vec4f(x[xRow + b4At], x[xRow + b5At], x[xRow + b6At], x[xRow + b7At]);
    let a0 = dy[dyRow + a0At];
    let a1 = dy[dyRow + a1At];
    let a2 = dy[dyRow + a2At];
    let a3 = dy[dyRow + a3At];
    let a4 = dy[dyRow + a4At];
    let a5 = dy[dyRow + a5At];
    let a6 = dy[dyRow + a6At];
    let a7 = dy[dyRow + a7At];
    s00 += a0 * b0; s01 += a0 * b1;
    s10 += a1 * b0; s11 += a1 * b1;
    s20 += a2 * b0; s21 += a2 * b1;
    s30 += a3 * b0; s31 += a3 * b1;
    s40 += a4 * b0; s41 += a4 * b1;
    s50 += a5 * b0; s51 += a5 * b1;
    s60 += a6 * b0; s61 += a6 * b1;
    s70 += a7 * b0; s71 += a7 * b1;
  }

  // One place that stores, because a compiler for CPUs takes long over each memory access.
  for (var m = m0; m < min(m0 + 8u, p.M); m++) {
    let r = vec4u(m - m0);
    var v0 = s00;
    var v1 = s01;
    v0 = select(v0, s10, r == vec4u(1u)); v1 = select(v1, s11, r == vec4u(1u));
    v0 = select(v0, s20, r == vec4u(2u)); v1 = select(v1, s21, r == vec4u(2u));
    v0 = select(v0, s30, r == vec4u(3u)); v1 = select(v1, s31, r == vec4u(3u));
    v0 = select(v0, s40, r == vec4u(4u)); v1 = select(v1, s41, r == vec4u(4u));
    v0 = select(v0, s50, r == vec4u(5u)); v1 = select(v1, s51, r == vec4u(5u));
    v0 = select(v0, s60, r == vec4u(6u)); v1 = select(v1, s61, r == vec4u(6u));
    v0 = select(v0, s70, r == vec4u(7u)); v1 = select(v1, s71, r == vec4u(7u));
    for (var k = k0; k < min(k0 + 8u, p.K); k++) {
      let i = k - k0;
      dw[m * p.K + k] += select(v0[i & 3u], v1[i & 3u], i >= 4u);
    }
  }
}
