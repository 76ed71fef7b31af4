// embedding_backward: the gradient of an embedding table, each row summed over its tokens in a fixed order.
//
// Math      dw[id - firstRow, c] += scale * sum over the tokens n with that id of dx[n, c]
// Source    the transpose of the gather; sorted by id on the host instead of atomics
// Shapes    unique: (U) u32 ids; starts: (U + 1) u32; order: (N) u32 tokens, those of unique[i] at starts[i] to starts[i + 1];
//           dx: (N, C); dw: rows [firstRow, firstRow + rows) of the table. Ids outside are another dispatch's.
// Dispatch  U workgroups, one id each; `spare` workgroups for a table of positions.
// Oracle    test/reference/embedding.ts, embeddingBackward()

struct Params { C: u32, firstRow: u32, rows: u32, scale: f32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const THREADS = 64u; // one of 64, 1
const COUNT = 0u; // one of 0, 1: the ids counted by Step are U (0) or, of a second table, spare (1)

@group(0) @binding(0) var<storage, read> unique: array<u32>;
@group(0) @binding(1) var<storage, read> starts: array<u32>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;
@group(0) @binding(4) var<storage, read_write> dw: array<f32>;
@group(0) @binding(5) var<uniform> p: Params;
@group(0) @binding(6) var<uniform> step: Step;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = group.y * groups.x + group.x;
  if (i >= select(step.U, step.spare, COUNT == 1u)) { return; }
  let first = starts[i];
  let last = starts[i + 1u];
  let id = unique[i];
  if (id < p.firstRow || id - p.firstRow >= p.rows) { return; }
  let base = (id - p.firstRow) * p.C;
  for (var c = lane; c < p.C; c += THREADS) {
    var sum = 0.0;
    for (var t = first; t < last; t++) { sum += dx[order[t] * p.C + c]; }
    dw[base + c] += p.scale * sum;
  }
}
