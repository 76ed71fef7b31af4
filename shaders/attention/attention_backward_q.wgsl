// attention_backward_q: gradient of causal attention for the queries, one thread a query. For CPU adapters.
//
// Math      delta_i = sum_d d_out_id out_id;  w_ij = exp(s_ij - lse_i);  dw_ij = d_out_i . v_j
//           ds_ij = w_ij (dw_ij - delta_i) (1 - (s_ij / c)^2 if capped);  d_q_i = scale * sum_j ds_ij k_j
//           stats[i, h, 1] = delta_i
// Source    Dao, arXiv:2307.08691, section 3.1; the softcap factor is the derivative of c tanh(s / c)
// Shapes    q, out, d_out, d_q: (N, H, D); k: (N, K, D); v: columns (H + K) D.. of qkv (N, (H + 2K) D); stats: (N, H, 2)
//           tiles: (T, 4) u32 {begin, end, rowStart, rowEnd}: at most TILE queries of one row; D4 = D / 4 <= 64
// Dispatch  (T, H) workgroups; keys in blocks of BLOCK, ascending. See attention_forward for the form.
// Oracle    test/reference/attention.ts, attentionBackward()

struct Params { heads: u32, kvHeads: u32, D4: u32, scale: f32, window: u32, softcap: f32 }

const TILE = 16u; // one of 16, 32, 64
const BLOCK = 8u;

@group(0) @binding(0) var<storage, read> tiles: array<vec4u>;
@group(0) @binding(1) var<storage, read_write> q: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> k: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> qkv: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> dout: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(7) var<storage, read_write> dq: array<vec4f>;
@group(0) @binding(8) var<uniform> p: Params;

@compute @workgroup_size(TILE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = tiles[group.x];
  let head = group.y;
  let kvHead = head * p.kvHeads / p.heads;
  let i = min(tile.x + lane, tile.y - 1u);
  let qBase = (i * p.heads + head) * p.D4;
  let stride = (p.heads + 2u * p.kvHeads) * p.D4;
  let vBase = (p.heads + p.kvHeads + kvHead) * p.D4;

  var parts = vec4f();
  for (var d = 0u; d < p.D4; d++) { parts += dout[qBase + d] * out[qBase + d]; }
  let delta = (parts.x + parts.y) + (parts.z + parts.w);
  let lse = stats[i * p.heads + head].x;

  var total: array<vec4f, 64>;
  var first = tile.z;
  if (p.window > 0u && tile.x - tile.z >= p.window) {
    first += (tile.x - tile.z + 1u - p.window) / BLOCK * BLOCK;
  }
  for (var start = first; start < tile.y; start += BLOCK) {
    var score: array<f32, BLOCK>;
    var dWeight: array<f32, BLOCK>;
    for (var b = 0u; b < BLOCK; b++) {
      score[b] = 0.0;
      dWeight[b] = 0.0;
    }
    for (var d = 0u; d < p.D4; d++) {
      let query = q[qBase + d];
      let upstream = dout[qBase + d];
      for (var b = 0u; b < BLOCK; b++) {
        let j = min(start + b, tile.y - 1u);
        score[b] += dot(query, k[(j * p.kvHeads + kvHead) * p.D4 + d]);
        dWeight[b] += dot(upstream, qkv[j * stride + vBase + d]);
      }
    }
    for (var b = 0u; b < BLOCK; b++) {
      let j = start + b;
      var s = score[b] * p.scale;
      var slope = p.scale;
      if (p.softcap > 0.0) {
        let t = tanh(s / p.softcap);
        s = p.softcap * t;
        slope *= 1.0 - t * t;
      }
      let visible = j <= i && (p.window == 0u || j + p.window > i);
      let weight = exp(clamp(s - lse, -80.0, 80.0));
      score[b] = select(0.0, weight * (dWeight[b] - delta) * slope, visible);
    }
    for (var d = 0u; d < p.D4; d++) {
      var mixed = total[d];
      for (var b = 0u; b < BLOCK; b++) {
        let j = min(start + b, tile.y - 1u);
        mixed += score[b] * k[(j * p.kvHeads + kvHead) * p.D4 + d];
      }
      total[d] = mixed;
    }
  }

  if (tile.x + lane < tile.y) {
    for (var d = 0u; d < p.D4; d++) { dq[qBase + d] = total[d]; }
    stats[i * p.heads + head].y = delta;
  }
}
