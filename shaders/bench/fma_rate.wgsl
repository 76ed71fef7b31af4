// fma_rate: multiply-adds in registers, as many as the adapter can do: the rate that other kernels are measured against.
//
// Math      twelve chains a thread, c = 0 .. 11: x_c = i % 16 + c, then 8 * rounds times x_c = x_c * a + b; y[i] = sum_c x_c
// Source    -
// Shapes    y: (count) f32
// Dispatch  ceil(count / 64) workgroups, flat; 192 * rounds floating-point operations a thread
// Oracle    test/reference/bench.ts, fmaRate()

struct Params { count: u32, rounds: u32, a: f32, b: f32 }

const FUSED = 0u; // one of 0, 1: the sum of a product, as the linear kernels write it (0), or fma() (1)

@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@group(0) @binding(1) var<uniform> p: Params;

fn advance(x: vec4f) -> vec4f {
  if (FUSED == 1u) { return fma(x, vec4f(p.a), vec4f(p.b)); }
  return x * p.a + p.b;
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * groups.x + group.x) * 64u + lane;
  if (i >= p.count) { return; }
  // Twelve independent chains hide the latency of each, and fit the sixteen registers of a CPU's vector unit.
  var x0 = f32(i % 16u) + vec4f(0.0, 1.0, 2.0, 3.0);
  var x1 = x0 + 4.0;
  var x2 = x0 + 8.0;
  for (var round = 0u; round < p.rounds; round++) {
    x0 = advance(x0); x1 = advance(x1); x2 = advance(x2);
    x0 = advance(x0); x1 = advance(x1); x2 = advance(x2);
    x0 = advance(x0); x1 = advance(x1); x2 = advance(x2);
    x0 = advance(x0); x1 = advance(x1); x2 = advance(x2);
    x0 = advance(x0); x1 = advance(x1); x2 = advance(x2);
    x0 = advance(x0); x1 = advance(x1); x2 = advance(x2);
    x0 = advance(x0); x1 = advance(x1); x2 = advance(x2);
    x0 = advance(x0); x1 = advance(x1); x2 = advance(x2);
  }
  let sum = x0 + x1 + x2;
  y[i] = sum.x + sum.y + sum.z + sum.w;
}
