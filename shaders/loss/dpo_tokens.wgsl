// dpo_tokens: hands the slopes of the preference losses from the rows to their tokens.
//
// Math      d_logp = s_t dloss/d (s logp) - weight of sft;  s_t = 1 for the first min(tokens of both rows of the pair) tokens
//           of a row, then ldAlpha
// Source    Liu et al., arXiv:2409.06411 (ldAlpha)
// Shapes    rowOf: (M) u32; rows: (R, 4) u32 and stats: (R, 16) f32 as dpo_pairs leaves them
//           upstream: (M, 3) f32: dloss/d logp, entropy, mean_logp
// Dispatch  ceil(M / 64) workgroups, one token a thread
// Oracle    test/reference/dpo_loss.ts, dpoLoss()

struct Params { ldAlpha: f32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

@group(0) @binding(0) var<storage, read> rowOf: array<u32>;
@group(0) @binding(1) var<storage, read> rows: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> stats: array<f32>;
@group(0) @binding(3) var<storage, read_write> upstream: array<f32>;
@group(0) @binding(4) var<uniform> p: Params;
@group(0) @binding(5) var<uniform> step: Step;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let m = id.x;
  if (m >= step.M) { return; }
  let row = rowOf[m];
  let sharedTokens = min(rows[row].y, rows[row ^ 1u].y);
  let s = select(p.ldAlpha, 1.0, m - rows[row].x < sharedTokens);
  upstream[3u * m] = s * stats[16u * row + 10u] - stats[16u * row + 11u];
  upstream[3u * m + 1u] = 0.0;
  upstream[3u * m + 2u] = 0.0;
}
