// group_loss: losses of the GRPO family: each token's share of the loss, its gradient, and each row's sums for the metrics.
//
// Math      l_t = logp - old, 0 where onPolicy (its gradient stays);  ratio = e^l_t, for sequence e^(mean of l over the row)
//           policy term of a token, A the row's advantage:
//             surrogate  -min(min(ratio, delta) A, clip(ratio, low, high) A); a tie takes half of each slope
//             cispo      -sg[min(ratio, high)] A logp
//             sapo       -4 / tau sigmoid(tau (ratio - 1)) A, tau = 1 where A > 0, else 1.05
//             vespo      -phi A logp, phi = sg[exp(q + k log W - q W)], log W = clip(sum of clip(l, -20, 20), log 1e-8, 20),
//                        (k, q) = (2, 3) where A >= 0, else (3, 2)
//           kept where the token's entropy is at least the threshold, and A >= 0 or mean of (old - logp) <= offPolicy
//           bonus: the row's times share where the entropy is at least the threshold, else 0
//           KL = e^d - d - 1, d = ref - logp; times the ratio where bias
//           loss = w (kept policy + beta KL) - bonus entropy;  gradient by logp: that of each term, a row's ratio giving
//           every live token 1 / (live tokens) of its slope;  by entropy: -bonus
//           exp arguments over 80 count as 80, in value and slope
// Source    Shao et al., arXiv:2402.03300, eq. 3 and 4; Yu et al., arXiv:2503.14476, eq. 8; Zheng et al., arXiv:2507.18071
//           (sequence); Chen et al., arXiv:2506.13585 (cispo); TRL GRPOTrainer (sapo, vespo, masks, delta, bias)
// Shapes    weights: (M) f32, 0 or the token's share of the mean; oldLogp, refLogp: (M) f32
//           rows: (R, 4) u32: first token, tokens, bits of A, bits of bonus; out: (M, 4) f32: logp, entropy, lse, mean_logp
//           threshold: (2) f32: threshold, share; upstream: (M, 3) f32: dloss/d logp, entropy, mean_logp
//           stats: (R, 10) f32: loss, entropy, live, logp, non-finite, KL, clipped low, clipped high, clipped by cispo, phi
// Workgroup 16 * THREADS bytes
// Dispatch  THREADS threads share a row, one row a workgroup: strided partial sums, then a tree in fixed order.
//           With one thread a row, 16 rows a workgroup, to fill a CPU's vectors.
// Oracle    test/reference/group_loss.ts, groupLoss()

// loss: 0 surrogate, 1 cispo, 2 sapo, 3 vespo. The next four are 0 or 1; top: whether the threshold is read.
struct Params { loss: u32, sequence: u32, onPolicy: u32, bias: u32, top: u32, low: f32, high: f32, delta: f32, beta: f32, offPolicy: f32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const THREADS = 64u; // one of 64, 1

@group(0) @binding(0) var<storage, read> weights: array<f32>;
@group(0) @binding(1) var<storage, read> rows: array<vec4u>;
@group(0) @binding(2) var<storage, read> oldLogp: array<f32>;
@group(0) @binding(3) var<storage, read> refLogp: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<storage, read_write> threshold: array<f32>;
@group(0) @binding(6) var<storage, read_write> upstream: array<f32>;
@group(0) @binding(7) var<storage, read_write> stats: array<f32>;
@group(0) @binding(8) var<uniform> p: Params;
@group(0) @binding(9) var<uniform> step: Step;

const GROUP = select(1u, 16u, THREADS == 1u); // rows

var<workgroup> partial: array<vec4f, THREADS>;

fn isFinite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }

// Some adapters make a number of exp(NaN), or of min(NaN, 80).
fn expSafe(x: f32) -> f32 { return select(exp(min(x, 80.0)), x, (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u); }

// e^d - d - 1, without cancellation near 0.
fn k3(d: f32) -> f32 {
  if (!(abs(d) < 0.5)) { return expSafe(d) - d - 1.0; }
  var term = 0.5 * d * d;
  var sum = term;
  for (var k = 3.0; k < 11.0; k += 1.0) {
    term *= d / k;
    sum += term;
  }
  return sum;
}

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

fn logRatio(m: u32) -> f32 {
  if (p.onPolicy == 1u) { return 0.0; }
  return out[4u * m] - oldLogp[m];
}

fn inTop(m: u32) -> bool { return p.top == 0u || out[4u * m + 1u] >= threshold[0]; }

fn phiOf(logW: f32, A: f32) -> f32 {
  let shape = select(vec2f(3.0, 2.0), vec2f(2.0, 3.0), A >= 0.0);
  let bounded = clamp(logW, -18.420681, 20.0);
  return expSafe(shape.y + shape.x * bounded - shape.y * exp(bounded));
}

// Value and slope by log of the ratio: for cispo and vespo, whose ratio is a constant, by logp.
fn policy(ratio: f32, phi: f32, logp: f32, A: f32) -> vec2f {
  if (p.loss == 1u) { return -min(ratio, p.high) * A * vec2f(logp, 1.0); }
  if (p.loss == 3u) { return -phi * A * vec2f(logp, 1.0); }
  if (p.loss == 2u) {
    let tau = select(1.05, 1.0, A > 0.0);
    let x = tau * (ratio - 1.0);
    let e = exp(-abs(x));
    let s = select(e, 1.0, x >= 0.0) / (1.0 + e);
    return -4.0 * A * vec2f(s / tau, ratio * (e / ((1.0 + e) * (1.0 + e))));
  }
  let free = vec2f(min(ratio, p.delta), select(0.0, ratio, ratio <= p.delta));
  let clipped = vec2f(clamp(ratio, p.low, p.high), select(0.0, ratio, ratio >= p.low && ratio <= p.high));
  var least = vec2f(free.x, 0.5 * (free.y + clipped.y));
  if (free.x * A < clipped.x * A) { least = free; }
  if (free.x * A > clipped.x * A) { least = clipped; }
  return -A * least;
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
  let row = rows[select(0u, unit, inside)];
  let first = row.x;
  let end = first + select(0u, row.y, inside);
  let A = bitcast<f32>(row.z);
  let rowBonus = bitcast<f32>(row.w);

  // live, sum of l, sum of clipped l, kept weight
  var sums = vec4f();
  var weightedKl = 0.0;
  for (var m = first + lane; m < end; m += THREADS) {
    let w = weights[m];
    if (w != 0.0) {
      let l = logRatio(m);
      sums += vec4f(1.0, l, clamp(l, -20.0, 20.0), select(0.0, w, inTop(m)));
      if (p.sequence == 1u && p.bias == 1u && p.beta != 0.0) { weightedKl += w * k3(refLogp[m] - out[4u * m]); }
    }
  }
  sums = total(lane, sums);
  if (p.sequence == 1u && p.bias == 1u) { weightedKl = total(lane, vec4f(weightedKl)).x; }
  let live = max(sums.x, 1.0);
  let rowRatio = expSafe(sums.y / live);
  let phi = phiOf(sums.z, A);
  let keepRow = select(0.0, 1.0, A >= 0.0 || -sums.y / live <= p.offPolicy);

  var real = vec4f(); // loss, entropy, logp, KL
  var count = vec4f(); // non-finite, clipped low, clipped high, clipped by cispo
  for (var m = first + lane; m < end; m += THREADS) {
    let w = weights[m];
    let logp = out[4u * m];
    let entropy = out[4u * m + 1u];
    var finite = isFinite(logp) && isFinite(entropy);
    var loss = 0.0;
    var slope = 0.0;
    var bonus = 0.0;
    if (w != 0.0) {
      var ratio = rowRatio;
      if (p.sequence == 0u) { ratio = expSafe(logRatio(m)); }
      let kept = select(0.0, keepRow, inTop(m));
      let term = policy(ratio, phi, logp, A);
      loss = w * kept * term.x;
      slope = w * kept * term.y;
      if (p.sequence == 1u && (p.loss == 0u || p.loss == 2u)) { slope = keepRow * term.y * sums.w / live; }
      var kl = 0.0;
      if (p.beta != 0.0) {
        let d = refLogp[m] - logp;
        kl = k3(d);
        var klSlope = -w * (kl + d);
        if (p.bias == 1u) {
          klSlope *= ratio;
          klSlope += ratio * select(w * kl, weightedKl / live, p.sequence == 1u);
          kl *= ratio;
        }
        loss += w * p.beta * kl;
        slope += p.beta * klSlope;
      }
      if (inTop(m)) {
        bonus = rowBonus;
        if (p.top == 1u) { bonus *= threshold[1]; }
      }
      loss -= bonus * entropy;
      finite = finite && isFinite(loss) && isFinite(slope) && isFinite(ratio) && isFinite(A);
      real += vec4f(loss, entropy, logp, kl);
      if (p.loss == 0u) {
        count.y += select(0.0, 1.0, ratio < p.low && A < 0.0);
        count.z += select(0.0, 1.0, ratio > p.high && A > 0.0);
      }
      if (p.loss == 1u) { count.w += select(0.0, 1.0, ratio > p.high && A > 0.0); }
    }
    if (!finite) { count.x += 1.0; }
    upstream[3u * m] = slope;
    upstream[3u * m + 1u] = -bonus;
    upstream[3u * m + 2u] = 0.0;
  }
  real = total(lane, real);
  count = total(lane, count);
  if (lane > 0u || !inside) { return; }
  // A row's ratio clips the row, not its tokens.
  let clips = select(count.yzw, min(count.yzw, vec3f(1.0)), p.sequence == 1u);
  let at = 10u * unit;
  stats[at] = real.x;
  stats[at + 1u] = real.y;
  stats[at + 2u] = sums.x;
  stats[at + 3u] = real.z;
  stats[at + 4u] = count.x;
  stats[at + 5u] = real.w;
  stats[at + 6u] = clips.x;
  stats[at + 7u] = clips.y;
  stats[at + 8u] = clips.z;
  stats[at + 9u] = select(0.0, phi, p.loss == 3u && sums.x > 0.0);
}
