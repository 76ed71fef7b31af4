// ppo_policy: PPO's clipped policy loss, its gradient, and its metrics, written to the micro-batch's slot.
//
// Math      ratio = e^(logp - old), exp arguments over 80 counting as 80;  loss = w max(-A ratio, -A clip(ratio, 1 -+ cliprange))
//           d_logp = -w A ratio where the first is larger, or the ratio is not clipped; a tie of a clipped ratio takes half
//           over the live tokens (w not 0): sums of loss, entropy, logp, (logp - old)^2 / 2, ratio, ratio^2; counts of
//           argmax == target, tokens, clipped losses that are larger; non-finite is counted over all M
// Source    Schulman et al., arXiv:1707.06347, eq. 7
// Shapes    weights, advantages, oldLogp: (M) f32; targets, argmax: (M) u32; out: (M, 4) f32: logp, entropy, lse, mean_logp
//           upstream: (M, 3) f32: dloss/d logp, entropy, mean_logp
//           metrics: (slots, 32) f32: loss, entropy, correct, live, logp, non-finite, 2 not touched, then policy loss,
//           approximate KL, clipped, ratio, ratio^2, and 0 for what value_loss adds: value loss, values clipped
// Workgroup 48 * THREADS bytes
// Dispatch  1 workgroup; strided partial sums, then a tree in fixed order
// Oracle    test/reference/ppo_loss.ts, ppoPolicyLoss()

struct Params { low: f32, high: f32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const THREADS = 64u; // one of 64, 1

@group(0) @binding(0) var<storage, read> targets: array<u32>;
@group(0) @binding(1) var<storage, read> weights: array<f32>;
@group(0) @binding(2) var<storage, read> advantages: array<f32>;
@group(0) @binding(3) var<storage, read> oldLogp: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<storage, read_write> argmax: array<u32>;
@group(0) @binding(6) var<storage, read_write> upstream: array<f32>;
@group(0) @binding(7) var<storage, read_write> metrics: array<f32>;
@group(0) @binding(8) var<uniform> p: Params;
@group(0) @binding(9) var<uniform> step: Step;

struct Sums {
  first: vec4f, // loss, entropy, logp, approximate KL
  second: vec4f, // ratio, ratio^2, correct, live
  third: vec2f, // clipped, non-finite
}

var<workgroup> partial: array<Sums, THREADS>;

fn isFinite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }

// Some adapters make a number of exp(NaN), or of min(NaN, 80).
fn expSafe(x: f32) -> f32 { return select(exp(min(x, 80.0)), x, (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u); }

@compute @workgroup_size(THREADS)
fn main(@builtin(local_invocation_index) lane: u32) {
  var sums: Sums;
  for (var m = lane; m < step.M; m += THREADS) {
    let w = weights[m];
    let logp = out[4u * m];
    let entropy = out[4u * m + 1u];
    var finite = isFinite(logp) && isFinite(entropy);
    var slope = 0.0;
    if (w != 0.0) {
      let A = advantages[m];
      let difference = logp - oldLogp[m];
      let ratio = expSafe(difference);
      let free = -A * ratio;
      let clipped = -A * clamp(ratio, p.low, p.high);
      slope = free;
      if (ratio < p.low || ratio > p.high) {
        slope = select(select(0.5 * free, free, free > clipped), 0.0, free < clipped);
      }
      slope *= w;
      let loss = w * max(free, clipped);
      finite = finite && isFinite(difference) && isFinite(loss) && isFinite(A);
      sums.first += vec4f(loss, entropy, logp, 0.5 * difference * difference);
      sums.second += vec4f(ratio, ratio * ratio, select(0.0, 1.0, argmax[m] == targets[m]), 1.0);
      sums.third.x += select(0.0, 1.0, clipped > free);
    }
    if (!finite) { sums.third.y += 1.0; }
    upstream[3u * m] = slope;
    upstream[3u * m + 1u] = 0.0;
    upstream[3u * m + 2u] = 0.0;
  }
  partial[lane] = sums;
  for (var width = THREADS / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (lane < width) {
      partial[lane].first += partial[lane + width].first;
      partial[lane].second += partial[lane + width].second;
      partial[lane].third += partial[lane + width].third;
    }
  }
  workgroupBarrier();
  if (lane > 0u) { return; }
  let all = partial[0];
  let at = 32u * step.micro;
  metrics[at] = all.first.x;
  metrics[at + 1u] = all.first.y;
  metrics[at + 2u] = all.second.z;
  metrics[at + 3u] = all.second.w;
  metrics[at + 4u] = all.first.z;
  metrics[at + 5u] = all.third.y;
  metrics[at + 8u] = all.first.x;
  metrics[at + 9u] = all.first.w;
  metrics[at + 10u] = all.third.x;
  metrics[at + 11u] = all.second.x;
  metrics[at + 12u] = all.second.y;
  metrics[at + 13u] = 0.0;
  metrics[at + 14u] = 0.0;
}
