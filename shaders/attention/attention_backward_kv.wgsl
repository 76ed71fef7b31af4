// attention_backward_kv: gradient of causal attention for the keys and values, two keys a thread. For CPU adapters.
//
// Math      w_ij = exp(s_ij - lse_i);  d_v_j = sum_h sum_i w_ij d_out_i
//           ds_ij = w_ij (d_out_i . v_j - delta_i) (1 - (s_ij / c)^2 if capped);  d_k_j = scale * sum_h sum_i ds_ij q_i
//           h runs over the query heads that share the key head: no reduction buffer
// Source    Dao, arXiv:2307.08691, section 3.1; GQA: arXiv:2305.13245
// Shapes    q, d_out: (N, H, D); k, d_k: (N, K, D); v and d_v: columns (H + K) D.. of qkv and d_qkv (N, (H + 2K) D)
//           stats: (N, H, 2) {lse, delta}; tiles: (T, 4) u32 {begin, end, rowStart, rowEnd}, here tiles of keys; D4 = D / 4 <= 64
// Dispatch  (T, K) workgroups; query heads, then queries four by four, ascending. See attention_forward for the form.
// Oracle    test/reference/attention.ts, attentionBackward()

struct Params { heads: u32, kvHeads: u32, D4: u32, scale: f32, window: u32, softcap: f32 }

const TILE = 16u; // one of 16, 32, 64
const LANES = TILE / 2u;

@group(0) @binding(0) var<storage, read> tiles: array<vec4u>;
@group(0) @binding(1) var<storage, read_write> q: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> k: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> qkv: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> dout: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(6) var<storage, read_write> dk: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> dqkv: array<vec4f>;
@group(0) @binding(8) var<uniform> p: Params;

// d_score of the products that give it, and the weight: zero where query i does not see key j.
struct Pair { ds: vec4f, weight: vec4f }
fn pair(products: vec4f, dWeight: vec4f, lse: vec4f, delta: vec4f, seen: vec4<bool>) -> Pair {
  var score = products * p.scale;
  var slope = vec4f(p.scale);
  if (p.softcap > 0.0) {
    let t = tanh(score / p.softcap);
    score = p.softcap * t;
    slope *= 1.0 - t * t;
  }
  let weight = exp(clamp(score - lse, vec4f(-80.0), vec4f(80.0)));
  return Pair(select(vec4f(), weight * (dWeight - delta) * slope, seen), select(vec4f(), weight, seen));
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = tiles[group.x];
  let kvHead = group.y;
  let sharing = p.heads / p.kvHeads;
  let j0 = min(tile.x + lane, tile.y - 1u);
  let j1 = min(tile.x + lane + LANES, tile.y - 1u);
  let k0 = (j0 * p.kvHeads + kvHead) * p.D4;
  let k1 = (j1 * p.kvHeads + kvHead) * p.D4;
  let stride = (p.heads + 2u * p.kvHeads) * p.D4;
  let v0 = j0 * stride + (p.heads + p.kvHeads + kvHead) * p.D4;
  let v1 = j1 * stride + (p.heads + p.kvHeads + kvHead) * p.D4;

  var dKey0: array<vec4f, 64>;
  var dKey1: array<vec4f, 64>;
  var dValue0: array<vec4f, 64>;
  var dValue1: array<vec4f, 64>;
  var last = tile.w;
  if (p.window > 0u) { last = min(last, tile.y - 1u + p.window); }
  for (var head = kvHead * sharing; head < (kvHead + 1u) * sharing; head++) {
    for (var start = tile.x; start < last; start += 4u) {
      let i = vec4u(start) + vec4u(0u, 1u, 2u, 3u);
      let query = min(i, vec4u(last - 1u)) * p.heads + head;
      let at = query * p.D4;
      var s0 = vec4f();
      var s1 = vec4f();
      var dw0 = vec4f();
      var dw1 = vec4f();
      for (var d = 0u; d < p.D4; d++) {
        let a0 = k[k0 + d];
        let a1 = k[k1 + d];
        let q0 = q[at.x + d];
        let q1 = q[at.y + d];
        let q2 = q[at.z + d];
        let q3 = q[at.w + d];
        s0 += vec4f(dot(a0, q0), dot(a0, q1), dot(a0, q2), dot(a0, q3));
        s1 += vec4f(dot(a1, q0), dot(a1, q1), dot(a1, q2), dot(a1, q3));
        let b0 = qkv[v0 + d];
        let b1 = qkv[v1 + d];
        let u0 = dout[at.x + d];
        let u1 = dout[at.y + d];
        let u2 = dout[at.z + d];
        let u3 = dout[at.w + d];
        dw0 += vec4f(dot(b0, u0), dot(b0, u1), dot(b0, u2), dot(b0, u3));
        dw1 += vec4f(dot(b1, u0), dot(b1, u1), dot(b1, u2), dot(b1, u3));
      }
      let stat0 = stats[query.x];
      let stat1 = stats[query.y];
      let stat2 = stats[query.z];
      let stat3 = stats[query.w];
      let lse = vec4f(stat0.x, stat1.x, stat2.x, stat3.x);
      let delta = vec4f(stat0.y, stat1.y, stat2.y, stat3.y);
      let all = vec4<bool>(p.window == 0u);
      let inside = i < vec4u(last);
      let seen0 = inside & (i >= vec4u(j0)) & ((i < vec4u(j0 + p.window)) | all);
      let seen1 = inside & (i >= vec4u(j1)) & ((i < vec4u(j1 + p.window)) | all);
      let pair0 = pair(s0, dw0, lse, delta, seen0);
      let pair1 = pair(s1, dw1, lse, delta, seen1);
      for (var d = 0u; d < p.D4; d++) {
        let q0 = q[at.x + d];
        let q1 = q[at.y + d];
        let q2 = q[at.z + d];
        let q3 = q[at.w + d];
        dKey0[d] += pair0.ds.x * q0 + pair0.ds.y * q1 + pair0.ds.z * q2 + pair0.ds.w * q3;
        dKey1[d] += pair1.ds.x * q0 + pair1.ds.y * q1 + pair1.ds.z * q2 + pair1.ds.w * q3;
        let u0 = dout[at.x + d];
        let u1 = dout[at.y + d];
        let u2 = dout[at.z + d];
        let u3 = dout[at.w + d];
        dValue0[d] += pair0.weight.x * u0 + pair0.weight.y * u1 + pair0.weight.z * u2 + pair0.weight.w * u3;
        dValue1[d] += pair1.weight.x * u0 + pair1.weight.y * u1 + pair1.weight.z * u2 + pair1.weight.w * u3;
      }
    }
  }

  if (tile.x + lane < tile.y) {
    for (var d = 0u; d < p.D4; d++) {
      dk[k0 + d] = dKey0[d];
      dqkv[v0 + d] = dValue0[d];
    }
  }
  if (tile.x + lane + LANES < tile.y) {
    for (var d = 0u; d < p.D4; d++) {
      dk[k1 + d] = dKey1[d];
      dqkv[v1 + d] = dValue1[d];
    }
  }
}
