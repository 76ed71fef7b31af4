// linear_nn: y = x W, the gradient of a linear layer's input and the forward of a Conv1D.
//
// Math      y[n, yColumn + k] (+)= sum_m x[n, xColumn + m] W[m, k] + bias[k] + residual[n, yColumn + k]
//                     + scale * sum_j keep u[n, j] matrix[c, j]
//           with GLU: y[n, k] = s up act'(gate) and y[n, K + k] = s act(gate), where s is the sum above without bias and
//           residual, gate = residual[n, k] and up = residual[n, K + k]: back through h = act(gate) up, of which s is the gradient
// Source    Hu et al., arXiv:2106.09685 (the low-rank term); Dettmers et al., arXiv:2305.14314 (nf4);
//           derivative of glu_forward
// Shapes    x: (N, ldx) f32; weight: (M, K) of FORMAT; bias: (K) f32; residual: (N, ldr) f32; u: (N, ldu) f32; y: (N, ldy) f32
// Dispatch  ceil(K / 32) x ceil(N / 32) workgroups; an invocation makes 8 rows x 8 columns in registers. Each sum
//           runs in order, so a row's bits depend neither on N nor on its neighbours. No workgroup memory: for CPU
//           adapters, and for shapes that the tiled kernel does not take.
// Oracle    test/reference/linear.ts, linearNn(); with GLU test/reference/mlp.ts, gluBackward(), after it

struct Params {
  M: u32, // rows of W
  K: u32, // columns of W
  first: u32, // elements before W in its buffer
  xColumn: u32,
  ldx: u32, // the row lengths of x y residual u are ldx ldy ldr ldu
  yColumn: u32,
  ldy: u32,
  ldr: u32,
  ldu: u32,
  flags: u32, // 1 bias + 2 residual + 4 accumulate
  scaleCodes: u32, // where nf4 scales lie: see weight.ts
  scales: u32,
  map: u32,
  offset: f32,
  segments: u32, // LoRA: see weight.ts
  columnStride: u32,
  rankStride: u32,
  rank: u32,
  scale: f32,
  begin0: u32,
  end0: u32,
  u0: u32,
  row0: u32,
  begin1: u32,
  end1: u32,
  u1: u32,
  row1: u32,
  begin2: u32,
  end2: u32,
  u2: u32,
  row2: u32,
  tag: u32, // dropout
  ranksPerSegment: u32,
  rate: f32,
  counted: u32, // the rows counted by Step are N tokens (0) or M loss tokens (1) or R sequences (2)
}
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const FORMAT = 0u; // one of 0, 1, 2, 3: f32, bf16, f16, nf4
const LORA = 0u; // one of 0, 1, 2: none, a low-rank term, one with dropout
const GLU = 0u; // one of 0, 1, 2: none, back through a gated unit with silu, with gelu_tanh

@group(0) @binding(0) var<storage, read> weight: array<u32>;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read> matrix: array<f32>;
@group(0) @binding(3) var<storage, read> keys: array<u32>;
@group(0) @binding(4) var<storage, read_write> x: array<f32>;
@group(0) @binding(5) var<storage, read_write> residual: array<f32>;
@group(0) @binding(6) var<storage, read_write> u: array<f32>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;
@group(0) @binding(8) var<uniform> p: Params;
@group(0) @binding(9) var<uniform> step: Step;

// The NF4 codebook at the low 4 bits. Choices, because indexing a constant array makes some compilers branch 16 ways.
fn nf4Code(code: vec4u) -> vec4f {
  let c0 = select(vec4f(-1.0), vec4f(-0.6961928009986877), (code & vec4u(1u)) != vec4u(0u));
  let c1 = select(vec4f(-0.5250730514526367), vec4f(-0.39491748809814453), (code & vec4u(1u)) != vec4u(0u));
  let c2 = select(vec4f(-0.28444138169288635), vec4f(-0.18477343022823334), (code & vec4u(1u)) != vec4u(0u));
  let c3 = select(vec4f(-0.09105003625154495), vec4f(0.0), (code & vec4u(1u)) != vec4u(0u));
  let c4 = select(vec4f(0.07958029955625534), vec4f(0.16093020141124725), (code & vec4u(1u)) != vec4u(0u));
  let c5 = select(vec4f(0.24611230194568634), vec4f(0.33791524171829224), (code & vec4u(1u)) != vec4u(0u));
  let c6 = select(vec4f(0.44070982933044434), vec4f(0.5626170039176941), (code & vec4u(1u)) != vec4u(0u));
  let c7 = select(vec4f(0.7229568362236023), vec4f(1.0), (code & vec4u(1u)) != vec4u(0u));
  let d0 = select(c0, c1, (code & vec4u(2u)) != vec4u(0u));
  let d1 = select(c2, c3, (code & vec4u(2u)) != vec4u(0u));
  let d2 = select(c4, c5, (code & vec4u(2u)) != vec4u(0u));
  let d3 = select(c6, c7, (code & vec4u(2u)) != vec4u(0u));
  let e0 = select(d0, d1, (code & vec4u(4u)) != vec4u(0u));
  let e1 = select(d2, d3, (code & vec4u(4u)) != vec4u(0u));
  return select(e0, e1, (code & vec4u(8u)) != vec4u(0u));
}

fn nf4Scale(block: u32) -> f32 {
  let code = (weight[p.scaleCodes + (block >> 2u)] >> (8u * (block & 3u))) & 255u;
  return bitcast<f32>(weight[p.map + code]) * bitcast<f32>(weight[p.scales + (block >> 8u)]) + p.offset;
}

// Element i of the buffer.
fn element(i: u32) -> f32 {
  if (FORMAT == 0u) { return bitcast<f32>(weight[i]); }
  if (FORMAT == 1u) {
    let word = weight[i >> 1u];
    return bitcast<f32>(select(word << 16u, word & 0xffff0000u, (i & 1u) == 1u));
  }
  if (FORMAT == 2u) {
    let pair = unpack2x16float(weight[i >> 1u]);
    return select(pair.x, pair.y, (i & 1u) == 1u);
  }
  return nf4Code(vec4u(weight[i >> 3u] >> (4u * (i & 7u)))).x * nf4Scale(i >> 6u);
}

// begin, end, u, row of a LoRA segment.
fn segment(s: u32) -> vec4u {
  if (s == 0u) { return vec4u(p.begin0, p.end0, p.u0, p.row0); }
  if (s == 1u) { return vec4u(p.begin1, p.end1, p.u1, p.row1); }
  return vec4u(p.begin2, p.end2, p.u2, p.row2);
}

fn pcg(x: u32) -> u32 {
  let state = x * 747796405u + 2891336453u;
  let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
  return (word >> 22u) ^ word;
}

// What dropout multiplies 4 channels by, given the hash of all other keys.
fn keep4(h: u32, c: u32) -> vec4f {
  let bits = vec4f(vec4u(pcg(h ^ c), pcg(h ^ (c + 1u)), pcg(h ^ (c + 2u)), pcg(h ^ (c + 3u))) >> vec4u(8u));
  return select(vec4f(1.0 / (1.0 - p.rate)), vec4f(0.0), bits * (1.0 / 16777216.0) < vec4f(p.rate));
}

fn sigmoid(x: f32) -> f32 {
  let e = exp(-abs(x)); // never overflows
  return select(e, 1.0, x >= 0.0) / (1.0 + e);
}

// The built-in may overflow inside, and loses small arguments to cancellation. Polynomial: Cephes, tanhf.
fn tanhExact(x: f32) -> f32 {
  let size = abs(x);
  if (bitcast<u32>(size) > 0x7f800000u) { return x; } // NaN, of which exp may make a number
  if (size < 0.625) {
    let s = x * x;
    return x + x * s * ((((-5.70498872745e-3 * s + 2.06390887954e-2) * s - 5.37397155531e-2) * s
      + 1.33314422036e-1) * s - 3.33332819422e-1);
  }
  let e = exp(-2.0 * size);
  let t = (1.0 - e) / (1.0 + e);
  return select(t, -t, x < 0.0);
}

// (act(a), its derivative): see glu_forward.
fn gateWithSlope(a: f32) -> vec2f {
  if (GLU == 1u) {
    let s = sigmoid(a);
    return vec2f(a * s, s * (1.0 + a * (1.0 - s)));
  }
  let k = 0.7978845608028654;
  let t = tanhExact(k * (a + 0.044715 * a * a * a));
  // 1 - t^2 is zero long before a^2 overflows; the minimum keeps the product from being 0 times infinity.
  let slope = 0.5 * (1.0 + t) + 0.5 * a * (1.0 - t * t) * k * (1.0 + 0.134145 * min(a * a, 1e6));
  return vec2f(0.5 * a * (1.0 + t), slope);
}

@compute @workgroup_size(4, 4)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let rows = select(select(step.N, step.M, p.counted == 1u), step.R, p.counted == 2u);
  let r0 = id.y * 8u;
  let c0 = id.x * 8u;
  if (r0 >= rows || c0 >= p.K) { return; }
  // Rows and columns past the end read the last one and are not stored.
  let n0 = min(r0, rows - 1u);
  let n1 = min(r0 + 1u, rows - 1u);
  let n2 = min(r0 + 2u, rows - 1u);
  let n3 = min(r0 + 3u, rows - 1u);
  let n4 = min(r0 + 4u, rows - 1u);
  let n5 = min(r0 + 5u, rows - 1u);
  let n6 = min(r0 + 6u, rows - 1u);
  let n7 = min(r0 + 7u, rows - 1u);
  let x0 = n0 * p.ldx + p.xColumn;
  let x1 = n1 * p.ldx + p.xColumn;
  let x2 = n2 * p.ldx + p.xColumn;
  let x3 = n3 * p.ldx + p.xColumn;
  let x4 = n4 * p.ldx + p.xColumn;
  let x5 = n5 * p.ldx + p.xColumn;
  let x6 = n6 * p.ldx + p.xColumn;
  let x7 = n7 * p.ldx + p.xColumn;
  let w0 = p.first + min(c0, p.K - 1u);
  let w1 = p.first + min(c0 + 1u, p.K - 1u);
  let w2 = p.first + min(c0 + 2u, p.K - 1u);
  let w3 = p.first + min(c0 + 3u, p.K - 1u);
  let w4 = p.first + min(c0 + 4u, p.K - 1u);
  let w5 = p.first + min(c0 + 5u, p.K - 1u);
  let w6 = p.first + min(c0 + 6u, p.K - 1u);
  let w7 = p.first + min(c0 + 7u, p.K - 1u);
  var s00 = vec4f(0.0); var s01 = vec4f(0.0);
  var s10 = vec4f(0.0); var s11 = vec4f(0.0);
  var s20 = vec4f(0.0); var s21 = vec4f(0.0);
  var s30 = vec4f(0.0); var s31 = vec4f(0.0);
  var s40 = vec4f(0.0); var s41 = vec4f(0.0);
  var s50 = vec4f(0.0); var s51 = vec4f(0.0);
  var s60 = vec4f(0.0); var s61 = vec4f(0.0);
  var s70 = vec4f(0.0); var s71 = vec4f(0.0);

  for (var m = 0u; m < p.M; m++) {
    var b0 = vec4f(0.0);
    var b1 = vec4f(0.0);
    if (FORMAT == 3u) { // one place that decodes, because it is long
      for (var i = 0u; i < min(8u, p.K - c0); i++) {
        let value = element(p.first + m * p.K + c0 + i);
        b0 = select(b0, vec4f(value), vec4u(i) == vec4u(0u, 1u, 2u, 3u));
        b1 = select(b1, vec4f(value), vec4u(i) == vec4u(4u, 5u, 6u, 7u));
      }
    } else {
      b0 = vec4f(element(w0 + m * p.K), element(w1 + m * p.K), element(w2 + m * p.K), element(w3 + m * p.K));
      b1 = vec4f(element(w4 + m * p.K), element(w5 + m * p.K), element(w6 + m * p.K), element(w7 + m * p.K));
    }
    let a0 = x[x0 + m];
    let a1 = x[x1 + m];
    let a2 = x[x2 + m];
    let a3 = x[x3 + m];
    let a4 = x[x4 + m];
    let a5 = x[x5 + m];
    let a6 = x[x6 + m];
    let a7 = x[x7 + m];
    s00 += a0 * b0; s01 += a0 * b1;
    s10 += a1 * b0; s11 += a1 * b1;
    s20 += a2 * b0; s21 += a2 * b1;
    s30 += a3 * b0; s31 += a3 * b1;
    s40 += a4 * b0; s41 += a4 * b1;
    s50 += a5 * b0; s51 += a5 * b1;
    s60 += a6 * b0; s61 += a6 * b1;
    s70 += a7 * b0; s71 += a7 * b1;
  }

  if (LORA != 0u) {
    let first = p.yColumn + c0;
    for (var s = 0u; s < p.segments; s++) {
      let at = segment(s);
      if (first >= at.y || first + 8u <= at.x) { continue; }
      let column0 = vec4u(first) + vec4u(0u, 1u, 2u, 3u);
      let inside0 = (column0 >= vec4u(at.x)) & (column0 < vec4u(at.y));
      let m0 = select(vec4u(0u), (column0 - at.x + at.w) * p.columnStride, inside0);
      let column1 = vec4u(first + 4u) + vec4u(0u, 1u, 2u, 3u);
      let inside1 = (column1 >= vec4u(at.x)) & (column1 < vec4u(at.y));
      let m1 = select(vec4u(0u), (column1 - at.x + at.w) * p.columnStride, inside1);
      let u0 = n0 * p.ldu + at.z;
      let u1 = n1 * p.ldu + at.z;
      let u2 = n2 * p.ldu + at.z;
      let u3 = n3 * p.ldu + at.z;
      let u4 = n4 * p.ldu + at.z;
      let u5 = n5 * p.ldu + at.z;
      let u6 = n6 * p.ldu + at.z;
      let u7 = n7 * p.ldu + at.z;
      for (var j0 = 0u; j0 < p.rank; j0 += p.ranksPerSegment) {
        var keep00 = vec4f(1.0); var keep01 = vec4f(1.0);
        var keep10 = vec4f(1.0); var keep11 = vec4f(1.0);
        var keep20 = vec4f(1.0); var keep21 = vec4f(1.0);
        var keep30 = vec4f(1.0); var keep31 = vec4f(1.0);
        var keep40 = vec4f(1.0); var keep41 = vec4f(1.0);
        var keep50 = vec4f(1.0); var keep51 = vec4f(1.0);
        var keep60 = vec4f(1.0); var keep61 = vec4f(1.0);
        var keep70 = vec4f(1.0); var keep71 = vec4f(1.0);
        if (LORA == 2u) {
          let seed = pcg(pcg(0x9e3779b9u ^ step.seed) ^ step.step);
          let tag = p.tag + (at.z + j0) / p.ranksPerSegment;
          let h0 = pcg(pcg(seed ^ keys[n0]) ^ tag);
          keep00 = keep4(h0, c0); keep01 = keep4(h0, c0 + 4u);
          let h1 = pcg(pcg(seed ^ keys[n1]) ^ tag);
          keep10 = keep4(h1, c0); keep11 = keep4(h1, c0 + 4u);
          let h2 = pcg(pcg(seed ^ keys[n2]) ^ tag);
          keep20 = keep4(h2, c0); keep21 = keep4(h2, c0 + 4u);
          let h3 = pcg(pcg(seed ^ keys[n3]) ^ tag);
          keep30 = keep4(h3, c0); keep31 = keep4(h3, c0 + 4u);
          let h4 = pcg(pcg(seed ^ keys[n4]) ^ tag);
          keep40 = keep4(h4, c0); keep41 = keep4(h4, c0 + 4u);
          let h5 = pcg(pcg(seed ^ keys[n5]) ^ tag);
          keep50 = keep4(h5, c0); keep51 = keep4(h5, c0 + 4u);
          let h6 = pcg(pcg(seed ^ keys[n6]) ^ tag);
          keep60 = keep4(h6, c0); keep61 = keep4(h6, c0 + 4u);
          let h7 = pcg(pcg(seed ^ keys[n7]) ^ tag);
          keep70 = keep4(h7, c0); keep71 = keep4(h7, c0 + 4u);
        }
        for (var j = j0; j < min(j0 + p.ranksPerSegment, p.rank); j++) {
          let rank = j * p.rankStride;
          let b0 = select(vec4f(0.0), p.scale * vec4f(matrix[m0.x + rank], matrix[m0.y + rank], matrix[m0.z + rank], matrix[m0.w + rank]), inside0);
          let b1 = select(vec4f(0.0), p.scale * vec4f(matrix[m1.x + rank], matrix[m1.y + rank], matrix[m1.z + rank], matrix[m1.w + rank]), inside1);
          let a0 = u[u0 + j];
          let a1 = u[u1 + j];
          let a2 = u[u2 + j];
          let a3 = u[u3 + j];
          let a4 = u[u4 + j];
          let a5 = u[u5 + j];
          let a6 = u[u6 + j];
          let a7 = u[u7 + j];
          s00 += keep00 * (a0 * b0); s01 += keep01 * (a0 * b1);
          s10 += keep10 * (a1 * b0); s11 += keep11 * (a1 * b1);
          s20 += keep20 * (a2 * b0); s21 += keep21 * (a2 * b1);
          s30 += keep30 * (a3 * b0); s31 += keep31 * (a3 * b1);
          s40 += keep40 * (a4 * b0); s41 += keep41 * (a4 * b1);
          s50 += keep50 * (a5 * b0); s51 += keep51 * (a5 * b1);
          s60 += keep60 * (a6 * b0); s61 += keep61 * (a6 * b1);
          s70 += keep70 * (a7 * b0); s71 += keep71 * (a7 * b1);
        }
      }
    }
  }

  // One place that stores, because a compiler for CPUs takes long over each memory access.
  for (var n = r0; n < min(r0 + 8u, rows); n++) {
    let r = vec4u(n - r0);
    var v0 = s00;
    var v1 = s01;
    v0 = select(v0, s10, r == vec4u(1u)); v1 = select(v1, s11, r == vec4u(1u));
    v0 = select(v0, s20, r == vec4u(2u)); v1 = select(v1, s21, r == vec4u(2u));
    v0 = select(v0, s30, r == vec4u(3u)); v1 = select(v1, s31, r == vec4u(3u));
    v0 = select(v0, s40, r == vec4u(4u)); v1 = select(v1, s41, r == vec4u(4u));
    v0 = select(v0, s50, r == vec4u(5u)); v1 = select(v1, s51, r == vec4u(5u));
    v0 = select(v0, s60, r == vec4u(6u)); v1 = select(v1, s61, r == vec4u(6u));
    v0 = select(v0, s70, r == vec4u(7u)); v1 = select(v1, s71, r == vec4u(7u));
    for (var c = c0; c < min(c0 + 8u, p.K); c++) {
      let i = c - c0;
      var sum = select(v0[i & 3u], v1[i & 3u], i >= 4u);
      let at = p.yColumn + c;
      if ((p.flags & 1u) != 0u) { sum += bias[c]; }
      if ((p.flags & 2u) != 0u) { sum += residual[n * p.ldr + at]; }
      if ((p.flags & 4u) != 0u) { sum += y[n * p.ldy + at]; }
      if (GLU != 0u) {
        let gate = gateWithSlope(residual[n * p.ldr + c]);
        y[n * p.ldy + p.K + c] = sum * gate.x;
        sum = sum * residual[n * p.ldr + p.K + c] * gate.y;
      }
      y[n * p.ldy + at] = sum;
    }
  }
}
