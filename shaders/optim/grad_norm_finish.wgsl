// grad_norm_finish: the global gradient norm, whether this step counts, and what AdamW needs to know about it.
//
// Math      norm = sqrt(sum of partials);  clip = min(1, max_norm / (norm + 1e-6)), 1 where max_norm is 0
//           finite: norm, and the loss and flag of metrics slots 0 .. micro, by bit pattern (squares that overflow are not)
//           t += finite;  skipped += !finite;  bias = 1 - beta^t = -expm1(t log beta), by its series where t log beta > -1/2
// Source    torch.nn.utils.clip_grad_norm_; Kingma and Ba, arXiv:1412.6980, algorithm 1
// Shapes    partials: (P) f32, from grad_norm; metrics: (slots, 32) f32: loss first, non-finite sixth
//           state: 16 words: norm f32, clip f32, finite u32, t u32, bias1 f32, bias2 f32, skipped u32, spare
// Workgroup 4 * THREADS bytes
// Dispatch  1 workgroup; strided partial sums in runs of 64, then a tree in fixed order
// Oracle    test/reference/optim.ts, gradNormFinish()

struct Params { count: u32, max_norm: f32, logBeta1: f32, logBeta2: f32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const THREADS = 64u; // one of 64, 1

@group(0) @binding(0) var<storage, read_write> partials: array<f32>;
@group(0) @binding(1) var<storage, read_write> metrics: array<f32>;
@group(0) @binding(2) var<storage, read_write> state: array<u32>;
@group(0) @binding(3) var<uniform> p: Params;
@group(0) @binding(4) var<uniform> step: Step;

var<workgroup> partial: array<f32, THREADS>;

fn isFinite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }

// 1 - exp(x) for x <= 0, with full relative accuracy near 0.
fn oneMinusExp(x: f32) -> f32 {
  if (x < -0.5) { return 1.0 - exp(x); }
  var term = x;
  var sum = x;
  for (var k = 2.0; k < 12.0; k += 1.0) {
    term *= x / k;
    sum += term;
  }
  return -sum;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(local_invocation_index) lane: u32) {
  var sum = 0.0;
  for (var run = lane; run < p.count; run += 64u * THREADS) {
    let end = min(run + 64u * THREADS, p.count);
    var part = 0.0;
    for (var i = run; i < end; i += THREADS) { part += partials[i]; }
    sum += part;
  }
  partial[lane] = sum;
  for (var width = THREADS / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (lane < width) { partial[lane] += partial[lane + width]; }
  }
  workgroupBarrier();
  if (lane > 0u) { return; }

  let norm = sqrt(partial[0]);
  var finite = isFinite(norm) && isFinite(partial[0]);
  for (var slot = 0u; slot <= step.micro; slot += 1u) {
    finite = finite && isFinite(metrics[32u * slot]) && metrics[32u * slot + 5u] == 0.0;
  }
  var clip = 1.0;
  if (p.max_norm > 0.0) { clip = min(1.0, p.max_norm / (norm + 1e-6)); }
  let t = state[3] + select(0u, 1u, finite);
  state[0] = bitcast<u32>(norm);
  state[1] = bitcast<u32>(clip);
  state[2] = select(0u, 1u, finite);
  state[3] = t;
  state[4] = bitcast<u32>(oneMinusExp(f32(t) * p.logBeta1));
  state[5] = bitcast<u32>(oneMinusExp(f32(t) * p.logBeta2));
  state[6] += select(1u, 0u, finite);
}
