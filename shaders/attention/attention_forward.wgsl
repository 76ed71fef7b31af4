// attention_forward: causal softmax attention over packed rows, one thread a query. For CPU adapters: no workgroup memory.
//
// Math      s_ij = scale * q_i . k_j, capped: s = c tanh(s / c); j visible if j <= i and (W = 0 or j > i - W)
//           out_i = sum_j softmax_j(s_ij) v_j;  stats[i, h, 0] = log sum_j exp(s_ij)
// Source    Milakov and Gimelshein, arXiv:1805.02867 (online softmax); Dao, arXiv:2307.08691; GQA: arXiv:2305.13245
// Shapes    q, out: (N, H, D); k: (N, K, D); v: columns (H + K) D.. of qkv (N, (H + 2K) D); stats: (N, H, 2); all f32
//           tiles: (T, 4) u32 {begin, end, rowStart, rowEnd}: at most TILE queries of one row; D4 = D / 4 <= 64
// Dispatch  (T, H) workgroups. Keys go in blocks of BLOCK counted from the row's start, the maximum moves once a block.
//           A block that a query does not see changes nothing, so the bits depend on the row alone.
//           All threads of a workgroup read the same keys: one scalar load each where threads are SIMD lanes. The loops over
//           channels have a bound that the compiler does not know: unrolled, they take minutes to compile on llvmpipe.
// Oracle    test/reference/attention.ts, attentionForward()

struct Params { heads: u32, kvHeads: u32, D4: u32, scale: f32, window: u32, softcap: f32 }

const TILE = 16u; // one of 16, 32, 64
const BLOCK = 16u;
const MASK = -1e30;

@group(0) @binding(0) var<storage, read> tiles: array<vec4u>;
@group(0) @binding(1) var<storage, read_write> q: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> k: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> qkv: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(6) var<uniform> p: Params;

// The exponent is clamped where exp would leave the normal numbers.
fn safeExp(x: f32) -> f32 { return exp(max(x, -80.0)); }

@compute @workgroup_size(TILE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = tiles[group.x];
  let head = group.y;
  let kvHead = head * p.kvHeads / p.heads;
  let i = min(tile.x + lane, tile.y - 1u);
  let qBase = (i * p.heads + head) * p.D4;
  let stride = (p.heads + 2u * p.kvHeads) * p.D4;
  let vBase = (p.heads + p.kvHeads + kvHead) * p.D4;

  var total: array<vec4f, 64>;
  var top = MASK;
  var sum = 0.0;
  var first = tile.z;
  if (p.window > 0u && tile.x - tile.z >= p.window) {
    first += (tile.x - tile.z + 1u - p.window) / BLOCK * BLOCK;
  }
  for (var start = first; start < tile.y; start += BLOCK) {
    var score: array<f32, BLOCK>;
    for (var b = 0u; b < BLOCK; b++) { score[b] = 0.0; }
    for (var d = 0u; d < p.D4; d++) {
      let query = q[qBase + d];
      for (var b = 0u; b < BLOCK; b++) {
        let j = min(start + b, tile.y - 1u);
        score[b] += dot(query, k[(j * p.kvHeads + kvHead) * p.D4 + d]);
      }
    }
    let before = top;
    for (var b = 0u; b < BLOCK; b++) {
      let j = start + b;
      var s = score[b] * p.scale;
      if (p.softcap > 0.0) { s = p.softcap * tanh(s / p.softcap); }
      let visible = j <= i && (p.window == 0u || j + p.window > i);
      score[b] = select(MASK, s, visible);
      top = max(top, score[b]);
    }
    let decay = safeExp(before - top);
    sum *= decay;
    for (var b = 0u; b < BLOCK; b++) {
      score[b] = select(safeExp(score[b] - top), 0.0, score[b] <= MASK);
      sum += score[b];
    }
    for (var d = 0u; d < p.D4; d++) {
      var mixed = total[d] * decay;
      for (var b = 0u; b < BLOCK; b++) {
        let j = min(start + b, tile.y - 1u);
        mixed += score[b] * qkv[j * stride + vBase + d];
      }
      total[d] = mixed;
    }
  }

  if (tile.x + lane < tile.y) {
    for (var d = 0u; d < p.D4; d++) { out[qBase + d] = total[d] / sum; }
    stats[i * p.heads + head].x = top + log(sum);
  }
}
