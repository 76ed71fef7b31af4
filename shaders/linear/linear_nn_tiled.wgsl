// linear_nn_tiled: y = x W through workgroup memory: input gradients, and the forward of a Conv1D.
//
// Math      y[n, yColumn + k] (+)= sum_m x[n, xColumn + m] W[m, k] + bias[k] + residual[n, yColumn + k]
//                     + scale * sum_j keep u[n, j] matrix[c, j]
//           with GLU: y[n, k] = s up act'(gate) and y[n, K + k] = s act(gate), where s is the sum above without bias and
//           residual, gate = residual[n, k] and up = residual[n, K + k]: back through h = act(gate) up, of which s is the gradient
// Source    Hu et al., arXiv:2106.09685 (the low-rank term); Dettmers et al., arXiv:2305.14314 (nf4);
//           derivative of glu_forward
// Shapes    x: (N, ldx) f32; weight: (M, K) of FORMAT; bias: (K) f32; residual: (N, ldr) f32; u: (N, ldu) f32; y: (N, ldy) f32
//           M, K, ldx, xColumn and first are multiples of 4
// Workgroup 128 * BK * 4 bytes
// Dispatch  ceil(K / 64) x ceil(N / 64) workgroups of 128 invocations, each 8 rows x 4 columns in registers. Half of them
//           fetch a tile of x and half a tile of W, 4 x 4 elements each; the low-rank term is further such tiles. Each sum
//           runs in order, so a row's bits depend neither on N nor on its neighbours.
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
const BK = 16u; // positions in a tile: 4 for each quarter of the loading invocations

@group(0) @binding(0) var<storage, read> weight: array<vec2u>;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read> matrix: array<f32>;
@group(0) @binding(3) var<storage, read> keys: array<u32>;
@group(0) @binding(4) var<storage, read_write> x: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> residual: array<f32>;
@group(0) @binding(6) var<storage, read_write> u: array<f32>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;
@group(0) @binding(8) var<uniform> p: Params;
@group(0) @binding(9) var<uniform> step: Step;

// Position major: the 64 rows, or columns, of one position are 16 vectors side by side.
var<workgroup> tileA: array<vec4f, 16u * BK>;
var<workgroup> tileB: array<vec4f, 16u * BK>;

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

fn word(i: u32) -> u32 { return select(weight[i >> 1u].x, weight[i >> 1u].y, (i & 1u) == 1u); }

fn nf4Scale(block: u32) -> f32 {
  let code = (word(p.scaleCodes + (block >> 2u)) >> (8u * (block & 3u))) & 255u;
  return bitcast<f32>(word(p.map + code)) * bitcast<f32>(word(p.scales + (block >> 8u))) + p.offset;
}

// Elements i to i + 3 of the buffer; i is a multiple of 4, so that they lie in whole words and in one block.
fn element4(i: u32) -> vec4f {
  if (FORMAT == 0u) { return vec4f(bitcast<vec2f>(weight[i >> 1u]), bitcast<vec2f>(weight[(i >> 1u) + 1u])); }
  if (FORMAT == 3u) {
    return nf4Scale(i >> 6u) * nf4Code(vec4u(word(i >> 3u) >> (4u * (i & 7u))) >> vec4u(0u, 4u, 8u, 12u));
  }
  let pair = weight[i >> 2u];
  if (FORMAT == 1u) {
    return bitcast<vec4f>(vec4u(pair.x << 16u, pair.x & 0xffff0000u, pair.y << 16u, pair.y & 0xffff0000u));
  }
  return vec4f(unpack2x16float(pair.x), unpack2x16float(pair.y));
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

// An element of u, or 0 past the end of the segment.
fn uAt(n: u32, first: u32, j: u32, end: u32) -> f32 {
  if (j >= end) { return 0.0; }
  return u[n * p.ldu + first + j];
}

// Element (c, j) of the low-rank matrix times the scale, or 0 outside the segment.
fn matrixAt(at: vec4u, c: u32, j: u32, end: u32) -> f32 {
  if (j >= end || c < at.x || c >= at.y) { return 0.0; }
  return p.scale * matrix[(c - at.x + at.w) * p.columnStride + j * p.rankStride];
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

// Adds bias and residual, or goes back through the gated unit, and stores the columns of one row that exist.
fn store(n: u32, rows: u32, column: u32, value: vec4f) {
  if (n >= rows) { return; }
  for (var c = column; c < min(column + 4u, p.K); c++) {
    let at = p.yColumn + c;
    var sum = value[c - column];
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

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let rows = select(select(step.N, step.M, p.counted == 1u), step.R, p.counted == 2u);
  let n0 = 64u * group.y;
  let c0 = 64u * group.x;
  let tx = lane & 15u;
  let ty = lane >> 4u;
  // What this invocation fetches: 4 positions of 4 rows of x, or of 4 columns of W. Rows past the end are the last one.
  let part = lane & 15u;
  let quad = (lane >> 4u) & 3u;
  let fetchesX = lane < 64u;
  let na = min(n0 + 4u * part, rows - 1u);
  let nb = min(n0 + 4u * part + 1u, rows - 1u);
  let nc = min(n0 + 4u * part + 2u, rows - 1u);
  let nd = min(n0 + 4u * part + 3u, rows - 1u);
  var s0 = vec4f(0.0); var s1 = vec4f(0.0); var s2 = vec4f(0.0); var s3 = vec4f(0.0);
  var s4 = vec4f(0.0); var s5 = vec4f(0.0); var s6 = vec4f(0.0); var s7 = vec4f(0.0);

  for (var m0 = 0u; m0 < p.M; m0 += BK) {
    if (fetchesX) {
      let position = m0 + 4u * quad;
      var r0 = vec4f(0.0); var r1 = vec4f(0.0); var r2 = vec4f(0.0); var r3 = vec4f(0.0);
      if (position < p.M) {
        let at = p.xColumn + position;
        r0 = x[(na * p.ldx + at) >> 2u];
        r1 = x[(nb * p.ldx + at) >> 2u];
        r2 = x[(nc * p.ldx + at) >> 2u];
        r3 = x[(nd * p.ldx + at) >> 2u];
      }
      tileA[64u * quad + part] = vec4f(r0.x, r1.x, r2.x, r3.x);
      tileA[64u * quad + 16u + part] = vec4f(r0.y, r1.y, r2.y, r3.y);
      tileA[64u * quad + 32u + part] = vec4f(r0.z, r1.z, r2.z, r3.z);
      tileA[64u * quad + 48u + part] = vec4f(r0.w, r1.w, r2.w, r3.w);
    } else {
      // Columns 4 * part to 4 * part + 3 of rows 4 * quad to 4 * quad + 3.
      let c = min(c0 + 4u * part, p.K - 4u);
      for (var i = 0u; i < 4u; i++) {
        let m = m0 + 4u * quad + i;
        var value = vec4f(0.0);
        if (m < p.M) { value = element4(p.first + m * p.K + c); }
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

  if (LORA != 0u) {
    let first = p.yColumn + c0;
    for (var s = 0u; s < p.segments; s++) {
      let at = segment(s);
      if (first >= at.y || first + 64u <= at.x) { continue; }
      for (var from0 = 0u; from0 < p.rank; from0 += p.ranksPerSegment) {
        let end = min(from0 + p.ranksPerSegment, p.rank);
        // With dropout the sum of one projection is masked before it is added.
        let t0 = s0; let t1 = s1; let t2 = s2; let t3 = s3; let t4 = s4; let t5 = s5; let t6 = s6; let t7 = s7;
        if (LORA == 2u) {
          s0 = vec4f(0.0); s1 = vec4f(0.0); s2 = vec4f(0.0); s3 = vec4f(0.0);
          s4 = vec4f(0.0); s5 = vec4f(0.0); s6 = vec4f(0.0); s7 = vec4f(0.0);
        }
        for (var j0 = from0; j0 < end; j0 += BK) {
          for (var i = 0u; i < 4u; i++) {
            let j = j0 + 4u * quad + i;
            let place = 64u * quad + 16u * i + part;
            if (fetchesX) {
              tileA[place] = vec4f(uAt(na, at.z, j, end), uAt(nb, at.z, j, end), uAt(nc, at.z, j, end), uAt(nd, at.z, j, end));
            } else {
              let c = first + 4u * part;
              tileB[place] = vec4f(matrixAt(at, c, j, end), matrixAt(at, c + 1u, j, end), matrixAt(at, c + 2u, j, end), matrixAt(at, c + 3u, j, end));
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
        if (LORA == 2u) {
          let seed = pcg(pcg(0x9e3779b9u ^ step.seed) ^ step.step);
          let tag = p.tag + (at.z + from0) / p.ranksPerSegment;
          let n = n0 + 8u * ty;
          let c = c0 + 4u * tx;
          s0 = t0 + keep4(pcg(pcg(seed ^ keys[min(n + 0u, rows - 1u)]) ^ tag), c) * s0;
          s1 = t1 + keep4(pcg(pcg(seed ^ keys[min(n + 1u, rows - 1u)]) ^ tag), c) * s1;
          s2 = t2 + keep4(pcg(pcg(seed ^ keys[min(n + 2u, rows - 1u)]) ^ tag), c) * s2;
          s3 = t3 + keep4(pcg(pcg(seed ^ keys[min(n + 3u, rows - 1u)]) ^ tag), c) * s3;
          s4 = t4 + keep4(pcg(pcg(seed ^ keys[min(n + 4u, rows - 1u)]) ^ tag), c) * s4;
          s5 = t5 + keep4(pcg(pcg(seed ^ keys[min(n + 5u, rows - 1u)]) ^ tag), c) * s5;
          s6 = t6 + keep4(pcg(pcg(seed ^ keys[min(n + 6u, rows - 1u)]) ^ tag), c) * s6;
          s7 = t7 + keep4(pcg(pcg(seed ^ keys[min(n + 7u, rows - 1u)]) ^ tag), c) * s7;
        }
      }
    }
  }

  let n = n0 + 8u * ty;
  let c = c0 + 4u * tx;
  // One place that stores: compilers for CPUs take long over each memory access.
  for (var r = 0u; r < 8u; r++) {
    var value = s0;
    value = select(value, s1, vec4u(r) == vec4u(1u));
    value = select(value, s2, vec4u(r) == vec4u(2u));
    value = select(value, s3, vec4u(r) == vec4u(3u));
    value = select(value, s4, vec4u(r) == vec4u(4u));
    value = select(value, s5, vec4u(r) == vec4u(5u));
    value = select(value, s6, vec4u(r) == vec4u(6u));
    value = select(value, s7, vec4u(r) == vec4u(7u));
    store(n + r, rows, c, value);
  }
}
