// group_metrics: one micro-batch's sums over the rows of group_loss, written to the micro-batch's slot.
//
// Math      sums over rows of what group_loss gives; count of argmax == target over live tokens (weight not 0)
//           clipped tokens are counted among live tokens, and a row's share is its clipped tokens / its live ones;
//           where sequence, rows are counted among live rows (those with a live token), and a share is 0 or 1
//           clip_low_min, clip_high_max: least and greatest share of a live row, 0 where there is none
// Source    -
// Shapes    targets, argmax: (M) u32; weights: (M) f32; stats: (R, 10) f32, from group_loss
//           metrics: (slots, 32) f32: loss, entropy, correct, live, logp, non-finite, 2 not touched, then KL, clipped low,
//           clipped high, both, clip count, clip_low_min, clip_high_max, live rows, clipped by cispo, phi
// Workgroup 48 * THREADS bytes
// Dispatch  1 workgroup; strided partial sums, then a tree in fixed order
// Oracle    test/reference/group_loss.ts, groupLoss()

struct Params { sequence: u32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const THREADS = 64u; // one of 64, 1

@group(0) @binding(0) var<storage, read> targets: array<u32>;
@group(0) @binding(1) var<storage, read> weights: array<f32>;
@group(0) @binding(2) var<storage, read_write> argmax: array<u32>;
@group(0) @binding(3) var<storage, read_write> stats: array<f32>;
@group(0) @binding(4) var<storage, read_write> metrics: array<f32>;
@group(0) @binding(5) var<uniform> p: Params;
@group(0) @binding(6) var<uniform> step: Step;

struct Sums {
  first: vec4f, // loss, entropy, live, logp
  second: vec4f, // non-finite, KL, clipped low, clipped high
  third: vec4f, // clipped by cispo, phi, live rows, correct
  shares: vec2f, // least low, greatest high
}

var<workgroup> partial: array<Sums, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(local_invocation_index) lane: u32) {
  var sums: Sums;
  sums.shares = vec2f(1e30, 0.0);
  for (var row = lane; row < step.R; row += THREADS) {
    let at = 10u * row;
    let live = stats[at + 2u];
    sums.first += vec4f(stats[at], stats[at + 1u], live, stats[at + 3u]);
    sums.second += vec4f(stats[at + 4u], stats[at + 5u], stats[at + 6u], stats[at + 7u]);
    if (live > 0.0) {
      sums.third += vec4f(stats[at + 8u], stats[at + 9u], 1.0, 0.0);
      let share = vec2f(stats[at + 6u], stats[at + 7u]) / select(live, 1.0, p.sequence == 1u);
      sums.shares = vec2f(min(sums.shares.x, share.x), max(sums.shares.y, share.y));
    }
  }
  for (var m = lane; m < step.M; m += THREADS) {
    if (weights[m] != 0.0 && argmax[m] == targets[m]) { sums.third.w += 1.0; }
  }
  partial[lane] = sums;
  for (var width = THREADS / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (lane < width) {
      let other = partial[lane + width];
      partial[lane].first += other.first;
      partial[lane].second += other.second;
      partial[lane].third += other.third;
      let shares = partial[lane].shares;
      partial[lane].shares = vec2f(min(shares.x, other.shares.x), max(shares.y, other.shares.y));
    }
  }
  workgroupBarrier();
  if (lane > 0u) { return; }
  let all = partial[0];
  let at = 32u * step.micro;
  metrics[at] = all.first.x;
  metrics[at + 1u] = all.first.y;
  metrics[at + 2u] = all.third.w;
  metrics[at + 3u] = all.first.z;
  metrics[at + 4u] = all.first.w;
  metrics[at + 5u] = all.second.x;
  metrics[at + 8u] = all.second.y;
  metrics[at + 9u] = all.second.z;
  metrics[at + 10u] = all.second.w;
  metrics[at + 11u] = all.second.z + all.second.w;
  metrics[at + 12u] = select(all.first.z, all.third.z, p.sequence == 1u);
  metrics[at + 13u] = select(0.0, all.shares.x, all.third.z > 0.0);
  metrics[at + 14u] = all.shares.y;
  metrics[at + 15u] = all.third.z;
  metrics[at + 16u] = all.third.x;
  metrics[at + 17u] = all.third.y;
}
