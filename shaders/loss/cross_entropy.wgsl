// cross_entropy: loss of each token and its gradient with respect to what the head gives.
//
// Math      nll: l = -logp;  dft: l = -sg[p] logp, p = exp(logp)
//           loss = w ((1 - s) l - s mean_logp);  d_logp = -w (1 - s), times p for dft;  d_mean_logp = -w s
// Source    label smoothing: Szegedy et al., arXiv:1512.00567, section 7; dft: Wu et al., arXiv:2508.05629, eq. 9
// Shapes    weight: (M) f32, 0 or 1 / normaliser; out: (M, 4) f32: logp, entropy, lse, mean_logp; loss: (M) f32
//           upstream: (M, 3) f32: dloss/d logp, entropy, mean_logp
// Dispatch  ceil(M / 64) workgroups, one token a thread
// Oracle    test/reference/loss.ts, crossEntropy()

struct Params { smoothing: f32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const DFT = 0u; // one of 0, 1: nll (0) or dft (1)

@group(0) @binding(0) var<storage, read> weight: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read_write> upstream: array<f32>;
@group(0) @binding(3) var<storage, read_write> loss: array<f32>;
@group(0) @binding(4) var<uniform> p: Params;
@group(0) @binding(5) var<uniform> step: Step;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let m = id.x;
  if (m >= step.M) { return; }
  let logp = out[4u * m];
  var scale = weight[m] * (1.0 - p.smoothing);
  // Some adapters make a number of exp(NaN).
  if (DFT == 1u) { scale *= select(exp(logp), logp, (bitcast<u32>(logp) & 0x7fffffffu) > 0x7f800000u); }
  loss[m] = -scale * logp - weight[m] * p.smoothing * out[4u * m + 3u];
  upstream[3u * m] = -scale;
  upstream[3u * m + 1u] = 0.0;
  upstream[3u * m + 2u] = -weight[m] * p.smoothing;
}
