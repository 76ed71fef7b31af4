// adamw_8bit: one update of a shard of parameters with moments kept in 8 bits, in blocks of 256; consumes the gradients.
//
// Math      g *= clip;  m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2, of the moments decoded to f32
//           p -= lr / bias1 * m / (sqrt(v) / sqrt(bias2) + eps);  then p *= 1 - lr wd, where the block decays;  grad = 0
//           stored: the block's max |m| and max v, and of each quotient the nearest code of the dynamic maps; a negative m
//           whose code would stand for 0 takes the next code below, so that it keeps its sign
//           A step whose state is not finite leaves p, m and v as they are, and clears the gradients.
// Source    Dettmers et al., arXiv:2110.02861; bitsandbytes, kOptimizerStatic8bit2StateBlockwise (decay comes last)
// Shapes    params, grads: (count) f32; state: 16 words, from grad_norm_finish; maps: (512) f32, signed then unsigned
//           blocks: (B, 4) u32: first element, elements (at most 256), first word in moments, flags (1 decays, 2 f32)
//           moments: words; a block has [max |m|, max v, 64 words of m, 64 of v], four codes a word, lowest byte first; a block
//           flagged f32, of a tensor with less than 4096 elements, has its m, then its v, as they are
// Workgroup 8 * THREADS bytes
// Dispatch  B workgroups, one block each
// Oracle    test/reference/optim.ts, adamw8bit()

struct Params { beta1: f32, beta2: f32, oneMinusBeta1: f32, oneMinusBeta2: f32, eps: f32, weight_decay: f32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const THREADS = 64u; // one of 64, 1

@group(0) @binding(0) var<storage, read> blocks: array<vec4u>;
@group(0) @binding(1) var<storage, read> maps: array<f32>;
@group(0) @binding(2) var<storage, read_write> params: array<f32>;
@group(0) @binding(3) var<storage, read_write> grads: array<f32>;
@group(0) @binding(4) var<storage, read_write> moments: array<u32>;
@group(0) @binding(5) var<storage, read_write> state: array<u32>;
@group(0) @binding(6) var<uniform> p: Params;
@group(0) @binding(7) var<uniform> step: Step;

var<workgroup> partial: array<vec2f, THREADS>;

fn advanced(old: vec2f, raw: f32) -> vec2f {
  let g = raw * bitcast<f32>(state[1]);
  return vec2f(p.beta1 * old.x + p.oneMinusBeta1 * g, p.beta2 * old.y + p.oneMinusBeta2 * g * g);
}

fn update(i: u32, moment: vec2f, decays: bool) {
  let root = sqrt(moment.y) / sqrt(bitcast<f32>(state[5]));
  let value = params[i] - step.lr / bitcast<f32>(state[4]) * moment.x / (root + p.eps);
  params[i] = select(value, value * (1.0 - step.lr * p.weight_decay), decays);
}

// The code of a map (0 signed, 256 unsigned) nearest to x; the lower of two as near.
fn nearest(map: u32, x: f32) -> u32 {
  var low = 0u;
  var high = 255u;
  while (high - low > 1u) {
    let middle = (low + high) / 2u;
    if (maps[map + middle] <= x) { low = middle; } else { high = middle; }
  }
  return select(low, high, x - maps[map + low] > maps[map + high] - x);
}

fn decoded(block: vec4u, word: u32, byte: u32, most: vec2f) -> vec2f {
  let m = (moments[block.z + 2u + word] >> (8u * byte)) & 255u;
  let v = (moments[block.z + 66u + word] >> (8u * byte)) & 255u;
  return vec2f(maps[m], maps[256u + v]) * most;
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = group.y * groups.x + group.x;
  if (index >= arrayLength(&blocks)) { return; }
  let block = blocks[index];
  let decays = (block.w & 1u) == 1u;
  let finite = state[2] == 1u;
  let quantised = (block.w & 2u) == 0u;

  var old = vec2f();
  var most = vec2f();
  if (quantised) {
    old = vec2f(bitcast<f32>(moments[block.z]), bitcast<f32>(moments[block.z + 1u]));
    for (var i = lane; i < block.y; i += THREADS) {
      most = max(most, abs(advanced(decoded(block, i / 4u, i % 4u, old), grads[block.x + i])));
    }
  }
  partial[lane] = most;
  for (var width = THREADS / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (lane < width) { partial[lane] = max(partial[lane], partial[lane + width]); }
  }
  workgroupBarrier();
  most = partial[0];

  if (!finite) {
    for (var i = lane; i < block.y; i += THREADS) { grads[block.x + i] = 0.0; }
  } else if (quantised) {
    for (var word = lane; 4u * word < block.y; word += THREADS) {
      var codes = vec2u();
      for (var byte = 0u; byte < 4u && 4u * word + byte < block.y; byte += 1u) {
        let i = block.x + 4u * word + byte;
        let moment = advanced(decoded(block, word, byte, old), grads[i]);
        grads[i] = 0.0;
        update(i, moment, decays);
        let quotient = select(moment / most, vec2f(), most == vec2f());
        var m = nearest(0u, quotient.x);
        if (moment.x < 0.0 && maps[m] >= 0.0) { m -= 1u; }
        codes |= vec2u(m, nearest(256u, quotient.y)) << vec2u(8u * byte);
      }
      moments[block.z + 2u + word] = codes.x;
      moments[block.z + 66u + word] = codes.y;
    }
    if (lane == 0u) {
      moments[block.z] = bitcast<u32>(most.x);
      moments[block.z + 1u] = bitcast<u32>(most.y);
    }
  } else {
    for (var k = lane; k < block.y; k += THREADS) {
      let i = block.x + k;
      let atM = block.z + k;
      let atV = atM + block.y;
      let moment = advanced(vec2f(bitcast<f32>(moments[atM]), bitcast<f32>(moments[atV])), grads[i]);
      grads[i] = 0.0;
      update(i, moment, decays);
      moments[atM] = bitcast<u32>(moment.x);
      moments[atV] = bitcast<u32>(moment.y);
    }
  }
}
