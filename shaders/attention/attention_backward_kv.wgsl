// attention_backward_kv: gradient of causal attention for the keys and values, one thread a key. For CPU adapters.
//
// Math      w_ij = exp(s_ij - lse_i);  d_v_j = sum_h sum_i w_ij d_out_i
//           ds_ij = w_ij (d_out_i . v_j - delta_i) (1 - (s_ij / c)^2 if capped);  d_k_j = scale * sum_h sum_i ds_ij q_i
//           h runs over the query heads that share the key head: no reduction buffer
// Source    Dao, arXiv:2307.08691, section 3.1; GQA: arXiv:2305.13245
// Shapes    q, d_out: (N, H, D); k, d_k: (N, K, D); v and d_v: columns (H + K) D.. of qkv and d_qkv (N, (H + 2K) D)
//           stats: (N, H, 2) {lse, delta}; tiles: (T, 4) u32 {begin, end, rowStart, rowEnd}, here tiles of keys; D4 = D / 4 <= 64
// Dispatch  (T, K) workgroups; query heads, then queries in blocks of BLOCK, ascending. See attention_forward for the form.
// Oracle    test/reference/attention.ts, attentionBackward()

struct Params { heads: u32, kvHeads: u32, D4: u32, scale: f32, window: u32, softcap: f32 }

const TILE = 16u; // one of 16, 32, 64
const BLOCK = 8u;

@group(0) @binding(0) var<storage, read> tiles: array<vec4u>;
@group(0) @binding(1) var<storage, read_write> q: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> k: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> qkv: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> dout: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(6) var<storage, read_write> dk: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> dqkv: array<vec4f>;
@group(0) @binding(8) var<uniform> p: Params;

@compute @workgroup_size(TILE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = tiles[group.x];
  let kvHead = group.y;
  let sharing = p.heads / p.kvHeads;
  let j = min(tile.x + lane, tile.y - 1u);
  let kBase = (j * p.kvHeads + kvHead) * p.D4;
  let stride = (p.heads + 2u * p.kvHeads) * p.D4;
  let vBase = j * stride + (p.heads + p.kvHeads + kvHead) * p.D4;

  var dKey: array<vec4f, 64>;
  var dValue: array<vec4f, 64>;
  var last = tile.w;
  if (p.window > 0u) { last = min(last, tile.y - 1u + p.window); }
  for (var h = 0u; h < sharing; h++) {
    let head = kvHead * sharing + h;
    for (var start = tile.x; start < last; start += BLOCK) {
      var score: array<f32, BLOCK>;
      var weight: array<f32, BLOCK>;
      for (var b = 0u; b < BLOCK; b++) {
        score[b] = 0.0;
        weight[b] = 0.0;
      }
      for (var d = 0u; d < p.D4; d++) {
        let key = k[kBase + d];
        let value = qkv[vBase + d];
        for (var b = 0u; b < BLOCK; b++) {
          let qBase = (min(start + b, last - 1u) * p.heads + head) * p.D4;
          score[b] += dot(key, q[qBase + d]);
          weight[b] += dot(value, dout[qBase + d]);
        }
      }
      for (var b = 0u; b < BLOCK; b++) {
        let i = start + b;
        let stat = stats[min(i, last - 1u) * p.heads + head];
        var s = score[b] * p.scale;
        var slope = p.scale;
        if (p.softcap > 0.0) {
          let t = tanh(s / p.softcap);
          s = p.softcap * t;
          slope *= 1.0 - t * t;
        }
        let visible = i < last && j <= i && (p.window == 0u || j + p.window > i);
        let w = exp(clamp(s - stat.x, -80.0, 80.0));
        score[b] = select(0.0, w * (weight[b] - stat.y) * slope, visible);
        weight[b] = select(0.0, w, visible);
      }
      for (var d = 0u; d < p.D4; d++) {
        var mixedKey = dKey[d];
        var mixedValue = dValue[d];
        for (var b = 0u; b < BLOCK; b++) {
          let qBase = (min(start + b, last - 1u) * p.heads + head) * p.D4;
          mixedKey += score[b] * q[qBase + d];
          mixedValue += weight[b] * dout[qBase + d];
        }
        dKey[d] = mixedKey;
        dValue[d] = mixedValue;
      }
    }
  }

  if (tile.x + lane < tile.y) {
    for (var d = 0u; d < p.D4; d++) {
      dk[kBase + d] = dKey[d];
      dqkv[vBase + d] = dValue[d];
    }
  }
}
