// attention_decode_tiled: one new query a sequence against its cached keys and values, one workgroup a head.
//
// Math      attention_forward for the query at position length - 1: out = sum_j softmax_j(scale q . k_j) v_j over the keys
//           j < length (the last W of them if W > 0), scores capped as c tanh(s / c)
//           key j < promptLength is row j of the prompt's slot, else row j - promptLength of the sequence's own slot
// Source    as attention_forward; completions of one prompt share its keys and values
// Shapes    q, out: (R, H, D); kCache, vCache: (slots, maxLength, K, D); all f32; D4 = D / 4 <= 64
//           sequences: (R, 4) u32 {promptSlot, promptLength, slot, length}; length counts the new token; 0 leaves out alone
// Workgroup 1,280 bytes
// Dispatch  (R, H) workgroups of 64 threads: first a key each, then a channel group each. The maximum moves every BLOCK keys,
//           and sums are in the order of attention_forward.
// Oracle    test/reference/attention.ts, attentionForward()

struct Params { heads: u32, kvHeads: u32, D4: u32, scale: f32, window: u32, softcap: f32, maxLength: u32 }

const BLOCK = 16u; // as in attention_forward
const KEYS = 64u;
const MASK = -1e30;

@group(0) @binding(0) var<storage, read> sequences: array<vec4u>;
@group(0) @binding(1) var<storage, read_write> q: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> kCache: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> vCache: array<vec4f>;
@group(0) @binding(5) var<uniform> p: Params;

var<workgroup> query: array<vec4f, 64>;
var<workgroup> scores: array<f32, KEYS>;

// Where key j of a sequence begins in the caches.
fn rowOf(sequence: vec4u, kvHead: u32, j: u32) -> u32 {
  let inPrompt = j < sequence.y;
  let row = select(sequence.z * p.maxLength + j - sequence.y, sequence.x * p.maxLength + j, inPrompt);
  return (row * p.kvHeads + kvHead) * p.D4;
}

// Infinite or NaN. Adapters make numbers of exp(NaN) and of max(NaN, x), so such a score is its own weight: out is then NaN.
fn broken(score: f32) -> bool { return (bitcast<u32>(score) & 0x7f800000u) == 0x7f800000u; }

@compute @workgroup_size(KEYS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let sequence = sequences[group.x];
  let kvHead = group.y * p.kvHeads / p.heads;
  let qBase = (group.x * p.heads + group.y) * p.D4;
  let length = sequence.w; // uniform: sequences is read-only, and its index is the workgroup's
  let first = select(0u, length - p.window, p.window > 0u && length > p.window);
  if (lane < p.D4) { query[lane] = q[qBase + lane]; }

  var total = vec4f();
  var top = MASK;
  var sum = 0.0;
  for (var start = first / BLOCK * BLOCK; start < length; start += KEYS) {
    workgroupBarrier();
    let key = start + lane;
    var s = MASK;
    if (key >= first && key < length) {
      let row = rowOf(sequence, kvHead, key);
      s = 0.0;
      for (var d = 0u; d < p.D4; d++) { s += dot(query[d], kCache[row + d]); }
      s *= p.scale;
      if (p.softcap > 0.0) { s = select(p.softcap * tanh(s / p.softcap), s, broken(s)); }
    }
    scores[lane] = s;
    workgroupBarrier();
    for (var block = 0u; block < min(KEYS, length - start); block += BLOCK) {
      let before = top;
      for (var b = block; b < block + BLOCK; b++) { top = max(top, scores[b]); }
      let decay = exp(max(before - top, -80.0));
      sum *= decay;
      total *= decay;
      for (var b = block; b < min(block + BLOCK, length - start); b++) {
        let s = scores[b];
        let weight = select(select(exp(max(s - top, -80.0)), 0.0, s <= MASK), s, broken(s));
        sum += weight;
        if (lane < p.D4) { total += weight * vCache[rowOf(sequence, kvHead, start + b) + lane]; }
      }
    }
  }
  if (lane < p.D4 && length > 0u) { out[qBase + lane] = total / sum; }
}
