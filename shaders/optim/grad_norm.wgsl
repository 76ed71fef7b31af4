// grad_norm: partial sums of squares of one shard of the gradients.
//
// Math      partials[first + b] = sum of g^2 over block b of 4096 elements
// Source    -
// Shapes    grads: (count) f32; partials: (P) f32
// Workgroup 4 * THREADS bytes
// Dispatch  ceil(count / 4096) workgroups, one block each; strided partial sums, then a tree in fixed order
// Oracle    test/reference/optim.ts, gradNorm()

struct Params { count: u32, first: u32 }

const THREADS = 64u; // one of 64, 1

@group(0) @binding(0) var<storage, read_write> grads: array<f32>;
@group(0) @binding(1) var<storage, read_write> partials: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;

var<workgroup> partial: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let block = group.y * groups.x + group.x;
  let start = block * 4096u;
  if (start >= p.count) { return; }
  let end = min(start + 4096u, p.count);
  // Runs of 64 first, so that one thread is as exact as many.
  var sum = 0.0;
  for (var run = start + lane; run < end; run += 64u * THREADS) {
    let runEnd = min(run + 64u * THREADS, end);
    var part = 0.0;
    for (var i = run; i < runEnd; i += THREADS) { part += grads[i] * grads[i]; }
    sum += part;
  }
  partial[lane] = sum;
  for (var width = THREADS / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (lane < width) { partial[lane] += partial[lane + width]; }
  }
  workgroupBarrier();
  if (lane == 0u) { partials[p.first + block] = partial[0]; }
}
