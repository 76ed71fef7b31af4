// head_finish: what the losses read, from the statistics of head_stats after the last chunk.
//
// Math      E, A, S, Q, m as in head_stats; S, the plain sum, is what certainly carries a NaN or infinity of any logit, because
//           some adapters make a number of exp(NaN); such an S is added to all results
//           lse = m + log E;  logp = (z'_target - m) - log E;  entropy = log E - A / E;  mean_logp = S / V - lse
//           log_collision = log sum_v p_v^2 = lse(2 z') - 2 lse(z') = log Q - 2 log E
// Source    log_collision: Zhou et al., arXiv:2406.11827, eq. 2
// Shapes    state: (M, 8) as head_stats leaves it; out: (M, 4) f32: logp, entropy, lse, mean_logp; argmax: (M) u32
//           logCollision: (M) f32
// Dispatch  ceil(M / 64) workgroups, one row a thread
// Oracle    test/reference/head.ts, headForward()

struct Params { V: u32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

@group(0) @binding(0) var<storage, read_write> state: array<u32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read_write> argmax: array<u32>;
@group(0) @binding(3) var<storage, read_write> logCollision: array<f32>;
@group(0) @binding(4) var<uniform> p: Params;
@group(0) @binding(5) var<uniform> step: Step;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x;
  if (row >= step.M) { return; }
  let at = 8u * row;
  let m = bitcast<f32>(state[at]);
  let E = bitcast<f32>(state[at + 1u]);
  let A = bitcast<f32>(state[at + 2u]);
  let S = bitcast<f32>(state[at + 3u]);
  let broken = select(0.0, S, (bitcast<u32>(S) & 0x7f800000u) == 0x7f800000u);
  let logE = log(E) + broken;
  out[4u * row] = (bitcast<f32>(state[at + 4u]) - m) - logE;
  out[4u * row + 1u] = logE - A / E;
  out[4u * row + 2u] = m + logE;
  out[4u * row + 3u] = S / f32(p.V) - (m + logE);
  argmax[row] = state[at + 6u];
  logCollision[row] = log(bitcast<f32>(state[at + 7u])) - 2.0 * logE;
}
