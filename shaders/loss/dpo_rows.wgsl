// dpo_rows: each row's sums over its completion tokens, which the preference losses read.
//
// Math      s_t = 1 for the first min(tokens of both rows of the pair) tokens, then ldAlpha;  ref = 0 where referenceFree
//           sums of logp, ref, s logp, s ref, s (logp - ref), entropy, mean over the vocabulary of the logits = mean_logp + lse;
//           log weight = mean of (logp - logCollision);  counts of argmax == target, and of tokens that are not finite
// Source    ldAlpha: Liu et al., arXiv:2409.06411; log weight: Zhou et al., arXiv:2406.11827, eq. 2
// Shapes    targets, argmax: (M) u32; refLogp, logCollision: (M) f32; out: (M, 4) f32: logp, entropy, lse, mean_logp
//           rows: (R, 4) u32: first token, tokens, two not read; row 2p is chosen and row 2p + 1 rejected, of pair p
//           stats: (R, 16) f32: logp, ref, s logp, s ref, s (logp - ref), entropy, logits, log weight, correct, non-finite; the
//           rest is left to dpo_pairs
// Workgroup 16 * THREADS bytes
// Dispatch  THREADS threads share a row, one row a workgroup: strided partial sums in runs of 16, which keep the digits
//           of long rows, then a tree in fixed order.
//           With one thread a row, 16 rows a workgroup, to fill a CPU's vectors.
// Oracle    test/reference/dpo_loss.ts, dpoLoss()

struct Params { ldAlpha: f32, referenceFree: u32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const THREADS = 64u; // one of 64, 1

@group(0) @binding(0) var<storage, read> targets: array<u32>;
@group(0) @binding(1) var<storage, read> rows: array<vec4u>;
@group(0) @binding(2) var<storage, read> refLogp: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<storage, read_write> argmax: array<u32>;
@group(0) @binding(5) var<storage, read_write> logCollision: array<f32>;
@group(0) @binding(6) var<storage, read_write> stats: array<f32>;
@group(0) @binding(7) var<uniform> p: Params;
@group(0) @binding(8) var<uniform> step: Step;

const GROUP = select(1u, 16u, THREADS == 1u); // rows

var<workgroup> partial: array<vec4f, THREADS>;

fn isFinite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }

fn total(lane: u32, mine: vec4f) -> vec4f {
  if (THREADS == 1u) { return mine; }
  workgroupBarrier();
  partial[lane] = mine;
  for (var width = THREADS / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (lane < width) { partial[lane] += partial[lane + width]; }
  }
  workgroupBarrier();
  return partial[0];
}

@compute @workgroup_size(THREADS * GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let unit = (group.y * groups.x + group.x) * GROUP + thread / THREADS;
  let lane = thread % THREADS;
  let inside = unit < step.R;
  let index = select(0u, unit, inside);
  let row = rows[index];
  let sharedTokens = min(row.y, rows[index ^ 1u].y);
  let end = row.x + select(0u, row.y, inside);

  var plain = vec4f(); // logp, ref, entropy, logits
  var scaled = vec4f(); // s logp, s ref, s (logp - ref), logp - logCollision
  var count = vec4f(); // correct, non-finite
  for (var run = row.x + lane; run < end; run += 16u * THREADS) {
    var runPlain = vec4f();
    var runScaled = vec4f();
    for (var m = run; m < min(run + 16u * THREADS, end); m += THREADS) {
      let logp = out[4u * m];
      let entropy = out[4u * m + 1u];
      var refValue = 0.0;
      if (p.referenceFree == 0u) { refValue = refLogp[m]; }
      let s = select(p.ldAlpha, 1.0, m - row.x < sharedTokens);
      runPlain += vec4f(logp, refValue, entropy, out[4u * m + 3u] + out[4u * m + 2u]);
      runScaled += vec4f(s * vec3f(logp, refValue, logp - refValue), logp - logCollision[m]);
      count.x += select(0.0, 1.0, argmax[m] == targets[m]);
      if (!isFinite(logp) || !isFinite(entropy) || !isFinite(refValue)) { count.y += 1.0; }
    }
    plain += runPlain;
    scaled += runScaled;
  }
  plain = total(lane, plain);
  scaled = total(lane, scaled);
  count = total(lane, count);
  if (lane > 0u || !inside) { return; }
  let at = 16u * unit;
  stats[at] = plain.x;
  stats[at + 1u] = plain.y;
  stats[at + 2u] = scaled.x;
  stats[at + 3u] = scaled.y;
  stats[at + 4u] = scaled.z;
  stats[at + 5u] = plain.z;
  stats[at + 6u] = plain.w;
  stats[at + 7u] = scaled.w / max(f32(row.y), 1.0);
  stats[at + 8u] = count.x;
  stats[at + 9u] = count.y;
}
