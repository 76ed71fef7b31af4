// attention_forward: causal softmax attention over packed rows, two queries a thread. For CPU adapters: no workgroup memory.
//
// Math      s_ij = scale * q_i . k_j, capped: s = c tanh(s / c); j visible if j <= i and (W = 0 or j > i - W)
//           out_i = sum_j softmax_j(s_ij) v_j;  stats[i, h, 0] = log sum_j exp(s_ij)
// Source    Milakov and Gimelshein, arXiv:1805.02867 (online softmax); Dao, arXiv:2307.08691; GQA: arXiv:2305.13245
// Shapes    q, out: (N, H, D); k: (N, K, D); v: columns (H + K) D.. of qkv (N, (H + 2K) D); stats: (N, H, 2); all f32
//           tiles: (T, 4) u32 {begin, end, rowStart, rowEnd}: at most TILE queries of one row; D4 = D / 4 <= 64
// Dispatch  (T, H) workgroups; a thread makes two queries. Keys go in blocks of BLOCK counted from the row's start, and the
//           maximum moves once a block. A block that a query does not see changes nothing: the bits depend on the row alone.
//           CPU compilers take long over each memory access and unroll what they can count, hence groups of four keys, and
//           loops over channels whose bound is a parameter.
// Oracle    test/reference/attention.ts, attentionForward()

struct Params { heads: u32, kvHeads: u32, D4: u32, scale: f32, window: u32, softcap: f32 }

const TILE = 16u; // one of 16, 32, 64
const BLOCK = 16u;
const LANES = TILE / 2u;
const MASK = -1e30;

@group(0) @binding(0) var<storage, read> tiles: array<vec4u>;
@group(0) @binding(1) var<storage, read_write> q: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> k: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> qkv: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(6) var<uniform> p: Params;

// Infinite or NaN. Adapters make numbers of exp(NaN) and of max(NaN, x), so such a score is its own weight: out is then NaN.
fn broken(score: vec4f) -> vec4<bool> { return (bitcast<vec4u>(score) & vec4u(0x7f800000u)) == vec4u(0x7f800000u); }

// Scores of query i for the keys j.
fn visible(products: vec4f, i: u32, j: vec4u) -> vec4f {
  var score = products * p.scale;
  if (p.softcap > 0.0) { score = select(p.softcap * tanh(score / p.softcap), score, broken(score)); }
  let seen = (j <= vec4u(i)) & ((j + p.window > vec4u(i)) | vec4<bool>(p.window == 0u));
  return select(vec4f(MASK), score, seen);
}

// exp, clamped where it would leave the normal numbers.
fn weights(score: vec4f, top: f32) -> vec4f {
  let weight = select(exp(max(score - top, vec4f(-80.0))), vec4f(), score <= vec4f(MASK));
  return select(weight, score, broken(score));
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = tiles[group.x];
  let head = group.y;
  let kvHead = head * p.kvHeads / p.heads;
  let i0 = min(tile.x + lane, tile.y - 1u);
  let i1 = min(tile.x + lane + LANES, tile.y - 1u);
  let q0 = (i0 * p.heads + head) * p.D4;
  let q1 = (i1 * p.heads + head) * p.D4;
  let kStride = p.kvHeads * p.D4;
  let stride = (p.heads + 2u * p.kvHeads) * p.D4;
  let vBase = (p.heads + p.kvHeads + kvHead) * p.D4;

  var total0: array<vec4f, 64>;
  var total1: array<vec4f, 64>;
  var top = vec2f(MASK);
  var sum = vec2f();
  var first = tile.z;
  if (p.window > 0u && tile.x - tile.z >= p.window) {
    first += (tile.x - tile.z + 1u - p.window) / BLOCK * BLOCK;
  }
  for (var start = first; start < tile.y; start += BLOCK) {
    var score0: array<vec4f, BLOCK / 4u>;
    var score1: array<vec4f, BLOCK / 4u>;
    let groups = min(BLOCK, tile.y - start + 3u) / 4u;
    let before = top;
    for (var b = 0u; b < groups; b++) {
      let j = vec4u(start + 4u * b) + vec4u(0u, 1u, 2u, 3u);
      let at = min(j, vec4u(tile.y - 1u)) * kStride + kvHead * p.D4;
      var s0 = vec4f();
      var s1 = vec4f();
      for (var d = 0u; d < p.D4; d++) {
        let a0 = q[q0 + d];
        let a1 = q[q1 + d];
        let k0 = k[at.x + d];
        let k1 = k[at.y + d];
        let k2 = k[at.z + d];
        let k3 = k[at.w + d];
        s0 += vec4f(dot(a0, k0), dot(a0, k1), dot(a0, k2), dot(a0, k3));
        s1 += vec4f(dot(a1, k0), dot(a1, k1), dot(a1, k2), dot(a1, k3));
      }
      s0 = visible(s0, i0, j);
      s1 = visible(s1, i1, j);
      score0[b] = s0;
      score1[b] = s1;
      top = max(top, vec2f(max(max(s0.x, s0.y), max(s0.z, s0.w)), max(max(s1.x, s1.y), max(s1.z, s1.w))));
    }
    let decay = exp(max(before - top, vec2f(-80.0)));
    sum *= decay;
    for (var d = 0u; d < p.D4; d++) {
      total0[d] *= decay.x;
      total1[d] *= decay.y;
    }
    for (var b = 0u; b < groups; b++) {
      let j = vec4u(start + 4u * b) + vec4u(0u, 1u, 2u, 3u);
      let at = min(j, vec4u(tile.y - 1u)) * stride + vBase;
      let w0 = weights(score0[b], top.x);
      let w1 = weights(score1[b], top.y);
      sum += vec2f((w0.x + w0.y) + (w0.z + w0.w), (w1.x + w1.y) + (w1.z + w1.w));
      for (var d = 0u; d < p.D4; d++) {
        let v0 = qkv[at.x + d];
        let v1 = qkv[at.y + d];
        let v2 = qkv[at.z + d];
        let v3 = qkv[at.w + d];
        total0[d] += w0.x * v0 + w0.y * v1 + w0.z * v2 + w0.w * v3;
        total1[d] += w1.x * v0 + w1.y * v1 + w1.z * v2 + w1.w * v3;
      }
    }
  }
  if (tile.x + lane < tile.y) {
    for (var d = 0u; d < p.D4; d++) { out[q0 + d] = total0[d] / sum.x; }
    stats[i0 * p.heads + head].x = top.x + log(sum.x);
  }
  if (tile.x + lane + LANES < tile.y) {
    for (var d = 0u; d < p.D4; d++) { out[q1 + d] = total1[d] / sum.y; }
    stats[i1 * p.heads + head].x = top.y + log(sum.y);
  }
}
