// embedding_forward: the rows of a table that the tokens name, with optional learned positions and training noise.
//
// Math      y[n, c] = scale * weight[ids[n], c] + position[positions[n], c] + noise[n, c]
//           noise[n, c] = step.noise * (2 * unit(hash(seed, step, keys[n], tag, c)) - 1)
// Source    NEFTune: Jain et al., arXiv:2310.05914, algorithm 1; added after Gemma's scaling, as in TRL
// Shapes    weight: rows [firstRow, firstRow + rows) of the table, C wide; position: (positions, C); ids, positions, keys: (N) u32;
//           y: (N, C). Tokens of other rows are left alone: another dispatch has their shard.
// Dispatch  N workgroups, one row each.
// Oracle    test/reference/embedding.ts, embeddingForward()

struct Params { C: u32, first: u32, firstRow: u32, rows: u32, scale: f32, positionFirst: u32, tag: u32 }
struct Step { N: u32, M: u32, R: u32, T: u32, U: u32, micro: u32, seed: u32, step: u32, lr: f32, noise: f32, temperature: f32, top_p: f32, min_p: f32, penalty: f32, top_k: u32, spare: u32 }

const THREADS = 64u; // one of 64, 1
const FORMAT = 0u; // one of 0, 1, 2: f32, bf16, f16
const POSITION = 0u; // one of 0, 1
const POSITION_FORMAT = 0u; // one of 0, 1, 2: f32, bf16, f16
const NOISE = 0u; // one of 0, 1

@group(0) @binding(0) var<storage, read> weight: array<u32>;
@group(0) @binding(1) var<storage, read> ids: array<u32>;
@group(0) @binding(2) var<storage, read> position: array<u32>;
@group(0) @binding(3) var<storage, read> positions: array<u32>;
@group(0) @binding(4) var<storage, read> keys: array<u32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
@group(0) @binding(6) var<uniform> p: Params;
@group(0) @binding(7) var<uniform> step: Step;

fn pcg(value: u32) -> u32 {
  let state = value * 747796405u + 2891336453u;
  let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
  return (word >> 22u) ^ word;
}

/// Element `half` of a word that holds two.
fn decode(word: u32, half: u32, format: u32) -> f32 {
  if (format == 1u) { return bitcast<f32>(select(word << 16u, word & 0xffff0000u, half == 1u)); }
  let pair = unpack2x16float(word);
  return select(pair.x, pair.y, half == 1u);
}

fn weightAt(i: u32) -> f32 {
  if (FORMAT == 0u) { return bitcast<f32>(weight[i]); }
  return decode(weight[i / 2u], i % 2u, FORMAT);
}

fn positionAt(i: u32) -> f32 {
  if (POSITION_FORMAT == 0u) { return bitcast<f32>(position[i]); }
  return decode(position[i / 2u], i % 2u, POSITION_FORMAT);
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let n = group.y * groups.x + group.x;
  if (n >= step.N) { return; }
  let id = ids[n];
  if (id < p.firstRow || id - p.firstRow >= p.rows) { return; }
  let start = p.first + (id - p.firstRow) * p.C;
  var startPosition = 0u;
  if (POSITION == 1u) { startPosition = p.positionFirst + positions[n] * p.C; }
  var h = 0u;
  if (NOISE == 1u) { h = pcg(pcg(pcg(pcg(0x9e3779b9u ^ step.seed) ^ step.step) ^ keys[n]) ^ p.tag); }
  for (var c = lane; c < p.C; c += THREADS) {
    var value = p.scale * weightAt(start + c);
    if (POSITION == 1u) { value += positionAt(startPosition + c); }
    if (NOISE == 1u) {
      let unit = f32(pcg(h ^ c) >> 8u) / 16777216.0;
      value += step.noise * (2.0 * unit - 1.0);
    }
    y[n * p.C + c] = value;
  }
}
