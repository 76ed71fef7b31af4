// dpo_pairs: the preference losses of all pairs of a micro-batch, their slopes by each row's log-probability, and the metrics.
//
// Math      c, r = sums of s (logp - ref) of the chosen and the rejected row;  x, y their tokens;  b = beta
//           g(u) by divergence: u;  1 - e^-u;  log sigmoid(u) + log 2;  (e^(q u) - 1) / q, q = alpha - 1
//           D = g(c) - g(r);  D' = g(c) / x - g(r) / y;  e = smoothing;  S = sigmoid
//           sigmoid -(1-e) log S(bD) - e log S(-bD);  hinge max(0, 1 - bD);  ipo (D' - 1/2b)^2;  sigmoid_norm -log S(bD')
//           exo_pair S(bD)(log S(bD) - log(1-e)) + S(-bD)(log S(-bD) - log e)
//           robust (-(1-e) log S(bD) + e log S(-bD)) / (1 - 2e)
//           discopop (1-k)(-log S(bD)) + k e^-bD, k = S(bD / tau)
//           nca_pair -log S(bc) - 1/2 log S(-bc) - 1/2 log S(-br);  bco_pair -log S(bc) - log S(-br)
//           sppo_hard (c - 1/2b)^2 + (r + 1/2b)^2;  apo_zero S(-bc) + S(br);  apo_down S(bc) + S(-b(c - r))
//           aot: that of sigmoid with d for D, d_i = i-th least (s logp chosen - rejected) - i-th least of the same of ref;
//           aot_unpaired: d_i = i-th least c - i-th least r; equals rank by index
//           sft: -logp of the chosen row's tokens, each with its row's weight
//           loss = sum over pairs of weight v sum over types; v = exp(both log weights) where weighting, else 1, not
//           differentiated; always 1 for aot and aot_unpaired; the mean of all pairs for sft
//           exp arguments over 80 count as 80
// Source    TRL DPOTrainer, where every type names its paper; Rafailov et al., arXiv:2305.18290, eq. 7 (sigmoid)
// Shapes    rows: (R, 4) u32: first token, tokens, and, in rows of chosen, bits of the pair's weight and of a token's for sft
//           stats: (R, 16) f32 as dpo_rows leaves it; 10: dloss/d (s logp), 11: weight of a token's sft; 12, 13: scratch
//           metrics: (slots, 32) f32: loss, entropy, correct, live, logp, non-finite, 2 not touched, then pairs, rewards b c and
//           b r, count of b c > b r, s logp of chosen and of rejected, logits of both, tokens of both, correct of chosen
// Workgroup 16 * THREADS bytes
// Dispatch  1 workgroup, pairs in strides; sums of lanes, then a tree in fixed order
// Oracle    test/reference/dpo_loss.ts, dpoLoss()

// The first fifteen are the weights of the types, 0 for those not in use. divergence: 0 to 3 as above.
struct Params {
  sigmoid: f32, hinge: f32, ipo: f32, sigmoid_norm: f32, exo_pair: f32, nca_pair: f32, robust: f32, bco_pair: f32,
  sppo_hard: f32, aot: f32, aot_unpaired: f32, apo_zero: f32, apo_down: f32, discopop: f32, sft: f32,
  beta: f32, smoothing: f32, alpha: f32, tau: f32, divergence: u32, weighting: u32
}
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const THREADS = 64u; // one of 64, 1

@group(0) @binding(0) var<storage, read> rows: array<vec4u>;
@group(0) @binding(1) var<storage, read_write> stats: array<f32>;
@group(0) @binding(2) var<storage, read_write> metrics: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;
@group(0) @binding(4) var<uniform> step: Step;

var<workgroup> partial: array<vec4f, THREADS>;

fn isNan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }

// Some adapters make a number of exp(NaN), or of min(NaN, 80).
fn expSafe(x: f32) -> f32 { return select(exp(min(x, 80.0)), x, isNan(x)); }

// e^x - 1, without cancellation near 0.
fn expm1(x: f32) -> f32 {
  if (!(abs(x) < 0.5)) { return expSafe(x) - 1.0; }
  var term = x;
  var sum = x;
  for (var k = 2.0; k < 11.0; k += 1.0) {
    term *= x / k;
    sum += term;
  }
  return sum;
}

fn sigmoid(x: f32) -> f32 {
  let e = expSafe(-abs(x));
  return select(e, 1.0, x >= 0.0) / (1.0 + e);
}

fn logSigmoid(x: f32) -> f32 { return select(min(x, 0.0) - log(1.0 + exp(-abs(x))), x, isNan(x)); }

// Value and slope of -(1 - e) log S(x) - e log S(-x).
fn smoothed(x: f32, e: f32) -> vec2f {
  return vec2f(-(1.0 - e) * logSigmoid(x) - e * logSigmoid(-x), -(1.0 - e) * sigmoid(-x) + e * sigmoid(x));
}

// Value and slope of g.
fn score(u: f32) -> vec2f {
  if (p.divergence == 1u) { return vec2f(-expm1(-u), expSafe(-u)); }
  if (p.divergence == 2u) { return vec2f(logSigmoid(u) + 0.69314718, sigmoid(-u)); }
  if (p.divergence == 3u) {
    let q = p.alpha - 1.0;
    return vec2f(expm1(q * u) / q, expSafe(q * u));
  }
  return vec2f(u, 1.0);
}

// Value and slope by D of the types that are functions of D.
fn ofDifference(D: f32) -> vec2f {
  let b = p.beta;
  let x = b * D;
  let e = p.smoothing;
  var sum = vec2f();
  if (p.sigmoid != 0.0) { sum += p.sigmoid * vec2f(1.0, b) * smoothed(x, e); }
  if (p.robust != 0.0) { sum += p.robust / (1.0 - 2.0 * e) * vec2f(1.0, b) * robustTerm(x, e); }
  if (p.hinge != 0.0) { sum += p.hinge * vec2f(max(0.0, 1.0 - x), select(0.0, -b, x < 1.0)); }
  if (p.exo_pair != 0.0) {
    let chosen = logSigmoid(x) - log(1.0 - e);
    let rejected = logSigmoid(-x) - log(e);
    let both = vec2f(sigmoid(x), sigmoid(-x));
    sum += p.exo_pair * vec2f(both.x * chosen + both.y * rejected, b * both.x * both.y * (chosen - rejected));
  }
  if (p.discopop != 0.0) {
    let k = sigmoid(x / p.tau);
    let dk = k * sigmoid(-x / p.tau) / p.tau;
    let logistic = -logSigmoid(x);
    let exponential = expSafe(-x);
    let slope = dk * (exponential - logistic) - (1.0 - k) * sigmoid(-x) - k * exponential;
    sum += p.discopop * vec2f((1.0 - k) * logistic + k * exponential, b * slope);
  }
  return sum;
}

fn robustTerm(x: f32, e: f32) -> vec2f {
  return vec2f(-(1.0 - e) * logSigmoid(x) + e * logSigmoid(-x), -(1.0 - e) * sigmoid(-x) - e * sigmoid(x));
}

// Value and slope by D' of the types that are functions of D'.
fn ofMeanDifference(D: f32) -> vec2f {
  var sum = vec2f();
  if (p.ipo != 0.0) {
    let off = D - 0.5 / p.beta;
    sum += p.ipo * vec2f(off * off, 2.0 * off);
  }
  if (p.sigmoid_norm != 0.0) {
    sum += p.sigmoid_norm * vec2f(-logSigmoid(p.beta * D), -p.beta * sigmoid(-p.beta * D));
  }
  return sum;
}

// Value, slope by c and slope by r of the types that read c and r themselves.
fn ofBoth(c: f32, r: f32) -> vec3f {
  let b = p.beta;
  let x = b * c;
  let y = b * r;
  var sum = vec3f();
  if (p.nca_pair != 0.0) {
    let value = -logSigmoid(x) - 0.5 * logSigmoid(-x) - 0.5 * logSigmoid(-y);
    sum += p.nca_pair * vec3f(value, b * (0.5 * sigmoid(x) - sigmoid(-x)), 0.5 * b * sigmoid(y));
  }
  if (p.bco_pair != 0.0) {
    sum += p.bco_pair * vec3f(-logSigmoid(x) - logSigmoid(-y), -b * sigmoid(-x), b * sigmoid(y));
  }
  if (p.sppo_hard != 0.0) {
    let off = vec2f(c - 0.5 / b, r + 0.5 / b);
    sum += p.sppo_hard * vec3f(dot(off, off), 2.0 * off);
  }
  let dx = b * sigmoid(x) * sigmoid(-x);
  if (p.apo_zero != 0.0) {
    sum += p.apo_zero * vec3f(sigmoid(-x) + sigmoid(y), -dx, b * sigmoid(y) * sigmoid(-y));
  }
  if (p.apo_down != 0.0) {
    let d = x - y;
    let dd = b * sigmoid(d) * sigmoid(-d);
    sum += p.apo_down * vec3f(sigmoid(x) + sigmoid(-d), dx - dd, dd);
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

// What is sorted: 0 s logp chosen - rejected, 1 the same of ref, 2 c, 3 r.
fn sortedBy(which: u32, pair: u32) -> f32 {
  let at = 32u * pair;
  if (which < 2u) { return stats[at + 2u + which] - stats[at + 18u + which]; }
  return stats[at + 4u + 16u * (which - 2u)];
}

fn rankOf(which: u32, pair: u32, pairs: u32) -> u32 {
  let mine = sortedBy(which, pair);
  var rank = 0u;
  for (var other = 0u; other < pairs; other += 1u) {
    let value = sortedBy(which, other);
    if (value < mine || (value == mine && other < pair)) { rank += 1u; }
  }
  return rank;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(local_invocation_index) lane: u32) {
  let pairs = step.R / 2u;
  var mean = 1.0;
  if (p.weighting == 1u) {
    var sum = 0.0;
    for (var pair = lane; pair < pairs; pair += THREADS) {
      sum += expSafe(stats[32u * pair + 7u] + stats[32u * pair + 23u]);
    }
    mean = total(lane, vec4f(sum)).x / max(f32(pairs), 1.0);
  }
  // Columns 12 and 13 of the pair at a rank hold the values of that rank.
  if (p.aot != 0.0) {
    for (var pair = lane; pair < pairs; pair += THREADS) {
      stats[32u * rankOf(1u, pair, pairs) + 12u] = sortedBy(1u, pair);
    }
  }
  if (p.aot_unpaired != 0.0) {
    for (var pair = lane; pair < pairs; pair += THREADS) {
      stats[32u * rankOf(2u, pair, pairs) + 13u] = sortedBy(2u, pair);
      stats[32u * rankOf(3u, pair, pairs) + 29u] = sortedBy(3u, pair);
    }
  }
  storageBarrier();

  var first = vec4f(); // loss, entropy, correct of rejected, live of rejected
  var second = vec4f(); // logp, non-finite, rewards
  var third = vec4f(); // accuracies, s logp of both, tokens of chosen
  var fourth = vec4f(); // logits of both, correct of chosen, -
  for (var pair = lane; pair < pairs; pair += THREADS) {
    let at = 32u * pair;
    let chosen = rows[2u * pair];
    let lengths = vec2f(f32(chosen.y), f32(rows[2u * pair + 1u].y));
    let c = stats[at + 4u];
    let r = stats[at + 20u];
    let weight = bitcast<f32>(chosen.z);
    var v = 1.0;
    if (p.weighting == 1u) { v = expSafe(stats[at + 7u] + stats[at + 23u]); }

    let gc = score(c);
    let gr = score(r);
    let per = 1.0 / max(lengths, vec2f(1.0));
    let plain = ofDifference(gc.x - gr.x);
    let means = ofMeanDifference(gc.x * per.x - gr.x * per.y);
    let both = ofBoth(c, r);
    var value = v * (plain.x + means.x + both.x);
    var slope = v * vec2f(
      (plain.y + means.y * per.x) * gc.y + both.y,
      -(plain.y + means.y * per.y) * gr.y + both.z,
    );
    if (p.aot != 0.0) {
      let d = sortedBy(0u, pair) - stats[32u * rankOf(0u, pair, pairs) + 12u];
      let term = p.aot * smoothed(p.beta * d, p.smoothing);
      value += term.x;
      slope += p.beta * term.y * vec2f(1.0, -1.0);
    }
    if (p.aot_unpaired != 0.0) {
      let ofChosen = smoothed(p.beta * (c - stats[32u * rankOf(2u, pair, pairs) + 29u]), p.smoothing);
      let ofRejected = smoothed(p.beta * (stats[32u * rankOf(3u, pair, pairs) + 13u] - r), p.smoothing);
      value += p.aot_unpaired * ofChosen.x;
      slope += p.aot_unpaired * p.beta * vec2f(ofChosen.y, -ofRejected.y);
    }
    let sft = p.sft * mean * bitcast<f32>(chosen.w);
    stats[at + 10u] = weight * slope.x;
    stats[at + 26u] = weight * slope.y;
    stats[at + 11u] = sft;
    stats[at + 27u] = 0.0;

    let rewards = p.beta * vec2f(c, r);
    first += vec4f(weight * value - sft * stats[at], stats[at + 5u] + stats[at + 21u], stats[at + 24u], lengths.y);
    second += vec4f(stats[at] + stats[at + 16u], stats[at + 9u] + stats[at + 25u], rewards);
    third += vec4f(select(0.0, 1.0, rewards.x > rewards.y), stats[at + 2u], stats[at + 18u], lengths.x);
    fourth += vec4f(stats[at + 6u], stats[at + 22u], stats[at + 8u], 0.0);
  }
  first = total(lane, first);
  second = total(lane, second);
  third = total(lane, third);
  fourth = total(lane, fourth);
  if (lane > 0u) { return; }
  let at = 32u * step.micro;
  metrics[at] = first.x;
  metrics[at + 1u] = first.y;
  metrics[at + 2u] = first.z + fourth.z;
  metrics[at + 3u] = first.w + third.w;
  metrics[at + 4u] = second.x;
  metrics[at + 5u] = second.y;
  metrics[at + 8u] = f32(pairs);
  metrics[at + 9u] = second.z;
  metrics[at + 10u] = second.w;
  metrics[at + 11u] = third.x;
  metrics[at + 12u] = third.y;
  metrics[at + 13u] = third.z;
  metrics[at + 14u] = fourth.x;
  metrics[at + 15u] = fourth.y;
  metrics[at + 16u] = third.w;
  metrics[at + 17u] = first.w;
  metrics[at + 18u] = fourth.z;
}
