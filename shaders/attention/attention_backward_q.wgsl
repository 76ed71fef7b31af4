// attention_backward_q: gradient of causal attention for the queries, two queries a thread. For CPU adapters.
//
// Math      delta_i = sum_d d_out_id out_id;  w_ij = exp(s_ij - lse_i);  dw_ij = d_out_i . v_j
//           ds_ij = w_ij (dw_ij - delta_i) (1 - (s_ij / c)^2 if capped);  d_q_i = scale * sum_j ds_ij k_j
//           stats[i, h, 1] = delta_i
// Source    Dao, arXiv:2307.08691, section 3.1; the softcap factor is the derivative of c tanh(s / c)
// Shapes    q, out, d_out, d_q: (N, H, D); k: (N, K, D); v: columns (H + K) D.. of qkv (N, (H + 2K) D); stats: (N, H, 2)
//           tiles: (T, 4) u32 {begin, end, rowStart, rowEnd}: at most TILE queries of one row; D4 = D / 4 <= 64
// Dispatch  (T, H) workgroups; keys four by four, ascending from the row's start. See attention_forward for the form.
// Oracle    test/reference/attention.ts, attentionBackward()

struct Params { heads: u32, kvHeads: u32, D4: u32, scale: f32, window: u32, softcap: f32 }

const TILE = 16u; // one of 16, 32, 64
const LANES = TILE / 2u;

@group(0) @binding(0) var<storage, read> tiles: array<vec4u>;
@group(0) @binding(1) var<storage, read_write> q: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> k: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> qkv: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> dout: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(7) var<storage, read_write> dq: array<vec4f>;
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
  let head = group.y;
  let kvHead = head * p.kvHeads / p.heads;
  let i0 = min(tile.x + lane, tile.y - 1u);
  let i1 = min(tile.x + lane + LANES, tile.y - 1u);
  let q0 = (i0 * p.heads + head) * p.D4;
  let q1 = (i1 * p.heads + head) * p.D4;
  let kStride = p.kvHeads * p.D4;
  let stride = (p.heads + 2u * p.kvHeads) * p.D4;
  let vBase = (p.heads + p.kvHeads + kvHead) * p.D4;

  var delta = vec2f();
  for (var d = 0u; d < p.D4; d++) {
    delta += vec2f(dot(dout[q0 + d], out[q0 + d]), dot(dout[q1 + d], out[q1 + d]));
  }
  let lse0 = stats[i0 * p.heads + head].x;
  let lse1 = stats[i1 * p.heads + head].x;

  var total0: array<vec4f, 64>;
  var total1: array<vec4f, 64>;
  var first = tile.z;
  if (p.window > 0u && tile.x - tile.z >= p.window) { first += (tile.x - tile.z + 1u - p.window) / 4u * 4u; }
  for (var start = first; start < tile.y; start += 4u) {
    let j = vec4u(start) + vec4u(0u, 1u, 2u, 3u);
    let inside = min(j, vec4u(tile.y - 1u));
    let kAt = inside * kStride + kvHead * p.D4;
    let vAt = inside * stride + vBase;
    var s0 = vec4f();
    var s1 = vec4f();
    var dw0 = vec4f();
    var dw1 = vec4f();
    for (var d = 0u; d < p.D4; d++) {
      let a0 = q[q0 + d];
      let a1 = q[q1 + d];
      let k0 = k[kAt.x + d];
      let k1 = k[kAt.y + d];
      let k2 = k[kAt.z + d];
      let k3 = k[kAt.w + d];
      s0 += vec4f(dot(a0, k0), dot(a0, k1), dot(a0, k2), dot(a0, k3));
      s1 += vec4f(dot(a1, k0), dot(a1, k1), dot(a1, k2), dot(a1, k3));
      let u0 = dout[q0 + d];
      let u1 = dout[q1 + d];
      let v0 = qkv[vAt.x + d];
      let v1 = qkv[vAt.y + d];
      let v2 = qkv[vAt.z + d];
      let v3 = qkv[vAt.w + d];
      dw0 += vec4f(dot(u0, v0), dot(u0, v1), dot(u0, v2), dot(u0, v3));
      dw1 += vec4f(dot(u1, v0), dot(u1, v1), dot(u1, v2), dot(u1, v3));
    }
    let all = vec4<bool>(p.window == 0u);
    let seen0 = (j <= vec4u(i0)) & ((j + p.window > vec4u(i0)) | all);
    let seen1 = (j <= vec4u(i1)) & ((j + p.window > vec4u(i1)) | all);
    let ds0 = pair(s0, dw0, vec4f(lse0), vec4f(delta.x), seen0).ds;
    let ds1 = pair(s1, dw1, vec4f(lse1), vec4f(delta.y), seen1).ds;
    for (var d = 0u; d < p.D4; d++) {
      let k0 = k[kAt.x + d];
      let k1 = k[kAt.y + d];
      let k2 = k[kAt.z + d];
      let k3 = k[kAt.w + d];
      total0[d] += ds0.x * k0 + ds0.y * k1 + ds0.z * k2 + ds0.w * k3;
      total1[d] += ds1.x * k0 + ds1.y * k1 + ds1.z * k2 + ds1.w * k3;
    }
  }

  if (tile.x + lane < tile.y) {
    for (var d = 0u; d < p.D4; d++) { dq[q0 + d] = total0[d]; }
    stats[i0 * p.heads + head].y = delta.x;
  }
  if (tile.x + lane + LANES < tile.y) {
    for (var d = 0u; d < p.D4; d++) { dq[q1 + d] = total1[d]; }
    stats[i1 * p.heads + head].y = delta.y;
  }
}
