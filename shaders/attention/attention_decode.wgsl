// attention_decode: one new query a sequence against its cached keys and values, one thread a head. For CPU adapters.
//
// Math      attention_forward for the query at position length - 1: out = sum_j softmax_j(scale q . k_j) v_j over the keys
//           j < length (the last W of them if W > 0), scores capped as c tanh(s / c)
//           key j < promptLength is row j of the prompt's slot, else row j - promptLength of the sequence's own slot
// Source    as attention_forward; completions of one prompt share its keys and values
// Shapes    q, out: (R, H, D); kCache, vCache: (slots, maxLength, K, D); all f32; D4 = D / 4 <= 64
//           sequences: (R, 4) u32 {promptSlot, promptLength, slot, length}; length counts the new token; 0 leaves out alone
// Dispatch  ceil(R H / 8) workgroups. Blocks of BLOCK keys from the row's start, and sums in the order of attention_forward.
// Oracle    test/reference/attention.ts, attentionForward()

struct Params { heads: u32, kvHeads: u32, D4: u32, scale: f32, window: u32, softcap: f32, maxLength: u32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const BLOCK = 16u; // as in attention_forward
const MASK = -1e30;

@group(0) @binding(0) var<storage, read> sequences: array<vec4u>;
@group(0) @binding(1) var<storage, read_write> q: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> kCache: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> vCache: array<vec4f>;
@group(0) @binding(5) var<uniform> p: Params;
@group(0) @binding(6) var<uniform> step: Step;

// Where key j of a sequence begins in the caches.
fn rowOf(sequence: vec4u, kvHead: u32, j: u32) -> u32 {
  let inPrompt = j < sequence.y;
  let row = select(sequence.z * p.maxLength + j - sequence.y, sequence.x * p.maxLength + j, inPrompt);
  return (row * p.kvHeads + kvHead) * p.D4;
}

// Infinite or NaN. Adapters make numbers of exp(NaN) and of max(NaN, x), so such a score is its own weight: out is then NaN.
fn broken(score: f32) -> bool { return (bitcast<u32>(score) & 0x7f800000u) == 0x7f800000u; }

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= step.R * p.heads) { return; }
  let sequence = sequences[id.x / p.heads];
  let kvHead = id.x % p.heads * p.kvHeads / p.heads;
  let qBase = id.x * p.D4;
  if (sequence.w == 0u) { return; }
  let i = sequence.w - 1u;
  var first = 0u;
  if (p.window > 0u && i >= p.window) { first = i + 1u - p.window; }

  var total: array<vec4f, 64>;
  var top = MASK;
  var sum = 0.0;
  for (var start = first / BLOCK * BLOCK; start <= i; start += BLOCK) {
    let begin = max(start, first);
    let end = min(start + BLOCK, i + 1u);
    var score: array<f32, BLOCK>;
    let before = top;
    for (var j = begin; j < end; j++) {
      let row = rowOf(sequence, kvHead, j);
      var s = 0.0;
      for (var d = 0u; d < p.D4; d++) { s += dot(q[qBase + d], kCache[row + d]); }
      s *= p.scale;
      if (p.softcap > 0.0) { s = select(p.softcap * tanh(s / p.softcap), s, broken(s)); }
      score[j - start] = s;
      top = max(top, s);
    }
    let decay = exp(max(before - top, -80.0));
    sum *= decay;
    for (var d = 0u; d < p.D4; d++) { total[d] *= decay; }
    for (var j = begin; j < end; j++) {
      let s = score[j - start];
      let weight = select(exp(max(s - top, -80.0)), s, broken(s));
      let row = rowOf(sequence, kvHead, j);
      sum += weight;
      for (var d = 0u; d < p.D4; d++) { total[d] += weight * vCache[row + d]; }
    }
  }
  for (var d = 0u; d < p.D4; d++) { out[qBase + d] = total[d] / sum; }
}
