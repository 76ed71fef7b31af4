// adamw: one update of a shard of parameters; consumes the gradients.
//
// Math      g *= clip;  p *= 1 - lr wd (elements before decayEnd);  m += (1 - beta1)(g - m);  v = beta2 v + (1 - beta2) g^2
//           p -= lr / bias1 * m / (sqrt(v) / sqrt(bias2) + eps);  grad = 0
//           A step whose state is not finite leaves p, m and v as they are, and clears the gradients.
// Source    Loshchilov and Hutter, arXiv:1711.05101, algorithm 2, in the order of torch.optim.AdamW
// Shapes    params, grads, m, v: (count) f32; state: 16 words, from grad_norm_finish
// Dispatch  ceil(count / 256) workgroups, one element a thread
// Oracle    test/reference/optim.ts, adamw()

struct Params { count: u32, decayEnd: u32, beta2: f32, oneMinusBeta1: f32, oneMinusBeta2: f32, eps: f32, weight_decay: f32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

@group(0) @binding(0) var<storage, read_write> params: array<f32>;
@group(0) @binding(1) var<storage, read_write> grads: array<f32>;
@group(0) @binding(2) var<storage, read_write> m: array<f32>;
@group(0) @binding(3) var<storage, read_write> v: array<f32>;
@group(0) @binding(4) var<storage, read_write> state: array<u32>;
@group(0) @binding(5) var<uniform> p: Params;
@group(0) @binding(6) var<uniform> step: Step;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * groups.x + group.x) * 256u + lane;
  if (i >= p.count) { return; }
  let g = grads[i] * bitcast<f32>(state[1]);
  grads[i] = 0.0;
  if (state[2] == 0u) { return; }
  let bias1 = bitcast<f32>(state[4]);
  let bias2 = bitcast<f32>(state[5]);
  var value = params[i];
  if (i < p.decayEnd) { value *= 1.0 - step.lr * p.weight_decay; }
  let mean = m[i] + p.oneMinusBeta1 * (g - m[i]);
  let square = p.beta2 * v[i] + p.oneMinusBeta2 * g * g;
  m[i] = mean;
  v[i] = square;
  params[i] = value - step.lr / bias1 * mean / (sqrt(square) / sqrt(bias2) + p.eps);
}
