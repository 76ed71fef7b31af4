// metrics_reduce: one micro-batch's sums over its loss tokens, written to the micro-batch's slot.
//
// Math      over the live tokens (weight not 0): sum loss, sum entropy, count of argmax == target, count, sum logp;
//           non-finite: how many of all M tokens have a loss, logp or entropy that is infinite or NaN, by bit pattern
// Source    -
// Shapes    out: (M, 4) f32: logp, entropy, lse, mean_logp; loss: (M) f32; argmax, targets: (M) u32; weight: (M) f32
//           metrics: (slots, 32) f32: loss, entropy, correct, live, logp, non-finite; the rest is not touched
// Workgroup 32 * THREADS bytes
// Dispatch  1 workgroup; strided partial sums, then a tree in fixed order
// Oracle    test/reference/loss.ts, metricsReduce()

struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const THREADS = 64u; // one of 64, 1

@group(0) @binding(0) var<storage, read> targets: array<u32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<storage, read_write> loss: array<f32>;
@group(0) @binding(4) var<storage, read_write> argmax: array<u32>;
@group(0) @binding(5) var<storage, read_write> metrics: array<f32>;
@group(0) @binding(6) var<uniform> step: Step;

struct Sums { real: vec3f, count: vec3f }

var<workgroup> partial: array<Sums, THREADS>;

fn isFinite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }

@compute @workgroup_size(THREADS)
fn main(@builtin(local_invocation_index) lane: u32) {
  var sums: Sums;
  for (var m = lane; m < step.M; m += THREADS) {
    let logp = out[4u * m];
    let entropy = out[4u * m + 1u];
    if (weight[m] != 0.0) {
      sums.real += vec3f(loss[m], entropy, logp);
      sums.count += vec3f(select(0.0, 1.0, argmax[m] == targets[m]), 1.0, 0.0);
    }
    if (!isFinite(loss[m]) || !isFinite(logp) || !isFinite(entropy)) { sums.count.z += 1.0; }
  }
  partial[lane] = sums;
  for (var width = THREADS / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (lane < width) {
      partial[lane].real += partial[lane + width].real;
      partial[lane].count += partial[lane + width].count;
    }
  }
  workgroupBarrier();
  if (lane > 0u) { return; }
  let all = partial[0];
  let at = 32u * step.micro;
  metrics[at] = all.real.x;
  metrics[at + 1u] = all.real.y;
  metrics[at + 2u] = all.count.x;
  metrics[at + 3u] = all.count.y;
  metrics[at + 4u] = all.real.z;
  metrics[at + 5u] = all.count.z;
}
