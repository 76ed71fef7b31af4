// attention_backward_kv_tiled: gradient of causal attention for the keys and values, one workgroup for a tile of keys.
//
// Math      w_ij = exp(s_ij - lse_i);  d_v_j = sum_h sum_i w_ij d_out_i
//           ds_ij = w_ij (d_out_i . v_j - delta_i) (1 - (s_ij / c)^2 if capped);  d_k_j = scale * sum_h sum_i ds_ij q_i
//           h runs over the query heads that share the key head: no reduction buffer
// Source    Dao, arXiv:2307.08691, section 3.1; GQA: arXiv:2305.13245
// Shapes    q, d_out: (N, H, D); k, d_k: (N, K, D); v and d_v: columns (H + K) D.. of qkv and d_qkv (N, (H + 2K) D)
//           stats: (N, H, 2) {lse, delta}; tiles: (T, 4) u32 {begin, end, rowStart, rowEnd}, here tiles of keys; D4 = D / 4 <= 64
// Workgroup 32 (8 TILE + 128) + 128 TILE bytes
// Dispatch  (T, K) workgroups of 8 x 8 threads. As attention_forward_tiled, with keys for queries: scores from staged slices,
//           then d_k and d_v by channels; query heads, then queries in blocks of 16 from the tile's start, ascending.
// Oracle    test/reference/attention.ts, attentionBackward()

struct Params { heads: u32, kvHeads: u32, D4: u32, scale: f32, window: u32, softcap: f32 }

const TILE = 16u; // one of 16, 32
const SLICES = 2u; // one of 1, 2, 3, 4, 5, 6, 7, 8: D / 32, rounded up
const BLOCK = 16u;
const RK = TILE / 8u; // rows of the tile that a thread has: y, y + 8, ...

@group(0) @binding(0) var<storage, read> tiles: array<vec4u>;
@group(0) @binding(1) var<storage, read_write> q: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> k: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> qkv: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> dout: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(6) var<storage, read_write> dk: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> dqkv: array<vec4f>;
@group(0) @binding(8) var<uniform> p: Params;

var<workgroup> keys: array<vec4f, TILE * 8u>;
var<workgroup> values: array<vec4f, TILE * 8u>;
var<workgroup> queries: array<vec4f, BLOCK * 8u>;
var<workgroup> upstream: array<vec4f, BLOCK * 8u>;
var<workgroup> dScores: array<f32, TILE * BLOCK>;
var<workgroup> weights: array<f32, TILE * BLOCK>;

// The gradient of a score, and the weight, of two keys (or queries): zero where they do not see each other.
struct Pair { ds: vec2f, weight: vec2f }
fn pair(products: vec2f, dWeight: vec2f, lse: vec2f, delta: vec2f, seen: vec2<bool>) -> Pair {
  var score = products * p.scale;
  var slope = vec2f(p.scale);
  if (p.softcap > 0.0) {
    let t = tanh(score / p.softcap);
    score = p.softcap * t;
    slope *= 1.0 - t * t;
  }
  let weight = exp(clamp(score - lse, vec2f(-80.0), vec2f(80.0)));
  return Pair(select(vec2f(), weight * (dWeight - delta) * slope, seen), select(vec2f(), weight, seen));
}

@compute @workgroup_size(8, 8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let x = local.x;
  let y = local.y;
  let tile = tiles[group.x];
  let kvHead = group.y;
  let sharing = p.heads / p.kvHeads;
  let stride = (p.heads + 2u * p.kvHeads) * p.D4;
  let vBase = (p.heads + p.kvHeads + kvHead) * p.D4;

  var dKey: array<vec4f, RK * SLICES>;
  var dValue: array<vec4f, RK * SLICES>;
  var last = tile.w;
  if (p.window > 0u) { last = min(last, tile.y - 1u + p.window); }
  for (var head = kvHead * sharing; head < (kvHead + 1u) * sharing; head++) {
    for (var start = tile.x; start < last; start += BLOCK) {
      var score: array<vec2f, RK>;
      var dWeight: array<vec2f, RK>;
      for (var r = 0u; r < RK; r++) {
        score[r] = vec2f();
        dWeight[r] = vec2f();
      }
      for (var slice = 0u; slice < SLICES; slice++) {
        let c = slice * 8u + x;
        workgroupBarrier();
        for (var r = y; r < TILE; r += 8u) {
          let j = min(tile.x + r, tile.y - 1u);
          keys[r * 8u + x] = select(vec4f(), k[(j * p.kvHeads + kvHead) * p.D4 + min(c, p.D4 - 1u)], c < p.D4);
          values[r * 8u + x] = select(vec4f(), qkv[j * stride + vBase + min(c, p.D4 - 1u)], c < p.D4);
        }
        for (var b = y; b < BLOCK; b += 8u) {
          let at = (min(start + b, last - 1u) * p.heads + head) * p.D4 + min(c, p.D4 - 1u);
          queries[b * 8u + x] = select(vec4f(), q[at], c < p.D4);
          upstream[b * 8u + x] = select(vec4f(), dout[at], c < p.D4);
        }
        workgroupBarrier();
        for (var d = 0u; d < 8u; d++) {
          let q0 = queries[x * 8u + d];
          let q1 = queries[(x + 8u) * 8u + d];
          let u0 = upstream[x * 8u + d];
          let u1 = upstream[(x + 8u) * 8u + d];
          for (var r = 0u; r < RK; r++) {
            let key = keys[(y + 8u * r) * 8u + d];
            let value = values[(y + 8u * r) * 8u + d];
            score[r] += vec2f(dot(key, q0), dot(key, q1));
            dWeight[r] += vec2f(dot(value, u0), dot(value, u1));
          }
        }
      }
      let i = vec2u(start + x, start + x + 8u);
      let stat0 = stats[min(i.x, last - 1u) * p.heads + head];
      let stat1 = stats[min(i.y, last - 1u) * p.heads + head];
      for (var r = 0u; r < RK; r++) {
        let j = tile.x + y + 8u * r;
        let near = (i < vec2u(j + p.window)) | vec2<bool>(p.window == 0u);
        let seen = (i >= vec2u(j)) & (i < vec2u(last)) & near & vec2<bool>(j < tile.y);
        let made = pair(score[r], dWeight[r], vec2f(stat0.x, stat1.x), vec2f(stat0.y, stat1.y), seen);
        let row = (y + 8u * r) * BLOCK;
        dScores[row + x] = made.ds.x;
        dScores[row + x + 8u] = made.ds.y;
        weights[row + x] = made.weight.x;
        weights[row + x + 8u] = made.weight.y;
      }
      workgroupBarrier();
      for (var b = 0u; b < min(BLOCK, last - start); b++) {
        let row = ((start + b) * p.heads + head) * p.D4;
        for (var slice = 0u; slice < SLICES; slice++) {
          let at = row + min(slice * 8u + x, p.D4 - 1u);
          let query = q[at];
          let u = dout[at];
          for (var r = 0u; r < RK; r++) {
            dKey[r * SLICES + slice] += dScores[(y + 8u * r) * BLOCK + b] * query;
            dValue[r * SLICES + slice] += weights[(y + 8u * r) * BLOCK + b] * u;
          }
        }
      }
    }
  }

  for (var r = 0u; r < RK; r++) {
    let j = tile.x + y + 8u * r;
    if (j >= tile.y) { continue; }
    for (var slice = 0u; slice < SLICES; slice++) {
      let c = slice * 8u + x;
      if (c < p.D4) {
        dk[(j * p.kvHeads + kvHead) * p.D4 + c] = dKey[r * SLICES + slice];
        dqkv[j * stride + vBase + c] = dValue[r * SLICES + slice];
      }
    }
  }
}
