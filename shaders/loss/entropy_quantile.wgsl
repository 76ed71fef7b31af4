// entropy_quantile: the entropy below which tokens lose their policy term, and how much more the others count.
//
// Math      sorted entropies x of the n live tokens (weight not 0), rank = quantile (n - 1), k = floor(rank), f = rank - k:
//           threshold = x_k + f (x_k+1 - x_k), from the nearer end as torch.lerp; 0 where n is 0. x_k is exact: its bits are
//           found from the highest down, by counting the entropies below each prefix
//           share = n / (live tokens of entropy at least the threshold)
// Source    Wang et al., arXiv:2506.01939, section 4 (the tokens of highest entropy); torch.quantile
// Shapes    weights: (M) f32; out: (M, 4) f32: logp, entropy, lse, mean_logp; threshold: (2) f32: threshold, share
// Workgroup 4 * THREADS bytes
// Dispatch  1 workgroup; counts are integers, so their order does not matter
// Oracle    test/reference/group_loss.ts, quantile()

struct Params { quantile: f32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const THREADS = 64u; // one of 64, 1

@group(0) @binding(0) var<storage, read> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read_write> threshold: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;
@group(0) @binding(4) var<uniform> step: Step;

var<workgroup> partial: array<u32, THREADS>;

// An unsigned key of the same order: rounding may leave an entropy just below 0. Ascending; NaN comes last.
fn keyOf(m: u32) -> u32 {
  let bits = bitcast<u32>(out[4u * m + 1u]);
  return select(bits | 0x80000000u, ~bits, bits > 0x80000000u);
}

fn valueOf(key: u32) -> f32 { return bitcast<f32>(select(~key, key & 0x7fffffffu, key >= 0x80000000u)); }

fn total(lane: u32, mine: u32) -> u32 {
  workgroupBarrier();
  partial[lane] = mine;
  for (var width = THREADS / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (lane < width) { partial[lane] += partial[lane + width]; }
  }
  return workgroupUniformLoad(&partial[0]);
}

// How many live tokens have a key under `limit`.
fn below(lane: u32, limit: u32) -> u32 {
  var count = 0u;
  for (var m = lane; m < step.M; m += THREADS) {
    if (weights[m] != 0.0 && keyOf(m) < limit) { count += 1u; }
  }
  return total(lane, count);
}

// The largest key with at most `rank` keys under it: that of the token of this rank, counted from 0.
fn keyOfRank(lane: u32, rank: u32) -> u32 {
  var key = 0u;
  for (var bit = 0x80000000u; bit > 0u; bit >>= 1u) {
    if (below(lane, key | bit) <= rank) { key |= bit; }
  }
  return key;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(local_invocation_index) lane: u32) {
  var live = 0u;
  for (var m = lane; m < step.M; m += THREADS) { live += select(0u, 1u, weights[m] != 0.0); }
  let n = total(lane, live);
  var result = 0.0;
  var kept = 0u;
  if (n > 0u) {
    let rank = p.quantile * f32(n - 1u);
    let k = min(u32(rank), n - 1u);
    let f = rank - f32(k);
    let low = valueOf(keyOfRank(lane, k));
    let high = valueOf(keyOfRank(lane, min(k + 1u, n - 1u)));
    result = select(high - (high - low) * (1.0 - f), low + f * (high - low), f < 0.5);
    for (var m = lane; m < step.M; m += THREADS) {
      if (weights[m] != 0.0 && out[4u * m + 1u] >= result) { kept += 1u; }
    }
    kept = total(lane, kept);
  }
  if (lane == 0u) {
    threshold[0] = result;
    threshold[1] = f32(n) / f32(max(kept, 1u));
  }
}
