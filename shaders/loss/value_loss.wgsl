// value_loss: PPO's clipped value loss and its gradient, added to what ppo_policy wrote to the micro-batch's slot.
//
// Math      v' = clip(v, old -+ clipRange);  loss = 1/2 w max((v - R)^2, (v' - R)^2), R the return
//           d_v = coef w (v - R) where the first is larger, or v is not clipped; a tie of a clipped value takes half
//           over the live tokens (w not 0): sum of loss, count of clipped losses that are larger; non-finite over all M
// Source    Schulman et al., arXiv:1506.02438 (values fit to returns); clipping: TRL PPOTrainer
// Shapes    weights, oldValues, returns: (M) f32; values, dValues: (M, 1) f32
//           metrics: (slots, 32) f32: 0 += coef loss, 5 += non-finite, 13 += loss, 14 += clipped
// Workgroup 16 * THREADS bytes
// Dispatch  1 workgroup; strided partial sums, then a tree in fixed order
// Oracle    test/reference/ppo_loss.ts, valueLoss()

struct Params { clipRange: f32, coef: f32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const THREADS = 64u; // one of 64, 1

@group(0) @binding(0) var<storage, read> weights: array<f32>;
@group(0) @binding(1) var<storage, read> oldValues: array<f32>;
@group(0) @binding(2) var<storage, read> returns: array<f32>;
@group(0) @binding(3) var<storage, read_write> values: array<f32>;
@group(0) @binding(4) var<storage, read_write> dValues: array<f32>;
@group(0) @binding(5) var<storage, read_write> metrics: array<f32>;
@group(0) @binding(6) var<uniform> p: Params;
@group(0) @binding(7) var<uniform> step: Step;

var<workgroup> partial: array<vec3f, THREADS>;

fn isFinite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }

@compute @workgroup_size(THREADS)
fn main(@builtin(local_invocation_index) lane: u32) {
  var sums = vec3f(); // loss, clipped, non-finite
  for (var m = lane; m < step.M; m += THREADS) {
    let w = weights[m];
    let v = values[m];
    var finite = isFinite(v);
    var slope = 0.0;
    if (w != 0.0) {
      let low = oldValues[m] - p.clipRange;
      let high = oldValues[m] + p.clipRange;
      let off = v - returns[m];
      let offClipped = clamp(v, low, high) - returns[m];
      let free = off * off;
      let clipped = offClipped * offClipped;
      slope = off;
      if (v < low || v > high) { slope = select(select(0.5 * off, off, free > clipped), 0.0, free < clipped); }
      slope *= p.coef * w;
      let loss = 0.5 * w * max(free, clipped);
      finite = finite && isFinite(loss) && isFinite(slope) && isFinite(low) && isFinite(off);
      sums += vec3f(loss, select(0.0, 1.0, clipped > free), 0.0);
    }
    if (!finite) { sums.z += 1.0; }
    dValues[m] = slope;
  }
  partial[lane] = sums;
  for (var width = THREADS / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (lane < width) { partial[lane] += partial[lane + width]; }
  }
  workgroupBarrier();
  if (lane > 0u) { return; }
  let all = partial[0];
  let at = 32u * step.micro;
  metrics[at] += p.coef * all.x;
  metrics[at + 5u] += all.z;
  metrics[at + 13u] += all.x;
  metrics[at + 14u] += all.y;
}
