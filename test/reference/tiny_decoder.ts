/** A whole decoder in float64, from the oracles of the kernels: the loss of a batch of rows under any weights. */
import { type LoraSettings, loraScale, peftKey } from "../../src/model/lora.ts";
import type { LayerSpec, ModelSpec, Projection } from "../../src/model/spec.ts";
import { attentionForward } from "./attention.ts";
import { type HeadRow, headForward } from "./head.ts";
import { geluForward, gluForward } from "./mlp.ts";
import { layernormForward, rmsnormForward } from "./norm.ts";
import { ropeForward } from "./rope.ts";

type Values = ReadonlyMap<string, ArrayLike<number>>;

export interface Decoder {
  readonly spec: ModelSpec;
  readonly weights: Values;
  /** Absent for the model alone. */
  readonly adapter?: { readonly settings: LoraSettings; readonly values: Values };
}

export interface OracleRow {
  readonly ids: ArrayLike<number>;
  /** Positions that are learned, from 1 on. */
  readonly targets: ArrayLike<number>;
}

const of = (values: Values, name: string): ArrayLike<number> => {
  const found = values.get(name);
  if (!found) throw new Error(`no ${name}`);
  return found;
};

/** x (N, in) times a matrix given by its entry at (output, input). */
function times(
  x: ArrayLike<number>,
  inputs: number,
  outputs: number,
  entry: (o: number, i: number) => number,
): Float64Array {
  const N = x.length / inputs;
  const y = new Float64Array(N * outputs);
  for (let o = 0; o < outputs; o++) {
    const row = Float64Array.from({ length: inputs }, (_, i) => entry(o, i));
    for (let n = 0; n < N; n++) {
      let sum = 0;
      for (let i = 0; i < inputs; i++) sum += (x[n * inputs + i] as number) * (row[i] as number);
      y[n * outputs + o] = sum;
    }
  }
  return y;
}

function project({ spec, weights, adapter }: Decoder, x: ArrayLike<number>, p: Projection): Float64Array {
  const w = of(weights, `${p.file}.weight`);
  const y = times(
    x,
    p.inputs,
    p.outputs,
    (o, i) => w[spec.conv1d ? i * p.outputs + o : o * p.inputs + i] as number,
  );
  if (p.bias) {
    const bias = of(weights, `${p.file}.bias`);
    y.forEach((value, i) => {
      y[i] = value + (bias[i % p.outputs] as number);
    });
  }
  const a = adapter?.values.get(peftKey(p.module, "A"));
  const b = adapter?.values.get(peftKey(p.module, "B"));
  if (!adapter || !a || !b) return y;
  const { rank } = adapter.settings;
  const u = times(x, p.inputs, rank, (o, i) => a[o * p.inputs + i] as number);
  const scale = loraScale(adapter.settings);
  times(u, rank, p.outputs, (o, i) => b[o * rank + i] as number).forEach((value, i) => {
    y[i] = (y[i] as number) + scale * value;
  });
  return y;
}

function norm({ spec, weights }: Decoder, x: ArrayLike<number>, name: string): Float64Array {
  const weight = Array.from(of(weights, `${name}.weight`));
  const { kind, eps, offset } = spec.norm;
  if (kind === "rmsnorm") return rmsnormForward(Array.from(x), weight, eps, offset).y;
  return layernormForward(Array.from(x), weight, Array.from(of(weights, `${name}.bias`)), eps).y;
}

/** Parts (N, width) side by side. */
function beside(parts: readonly (readonly [ArrayLike<number>, number])[], N: number): Float64Array {
  const width = parts.reduce((sum, [, w]) => sum + w, 0);
  const y = new Float64Array(N * width);
  for (let n = 0; n < N; n++) {
    let column = 0;
    for (const [x, w] of parts) {
      for (let c = 0; c < w; c++) y[n * width + column + c] = x[n * w + c] as number;
      column += w;
    }
  }
  return y;
}

const add = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Float64Array.from(a, (value, i) => value + (b[i] as number));

function block(decoder: Decoder, layer: LayerSpec, x: Float64Array): Float64Array {
  const { spec, weights } = decoder;
  const { heads, kvHeads, headDim } = spec;
  const N = x.length / spec.hidden;
  const group = (projections: readonly Projection[], input: ArrayLike<number>) =>
    beside(
      projections.map((p) => [project(decoder, input, p), p.outputs]),
      N,
    );
  const qkv = group(layer.qkv, norm(decoder, x, layer.inputNorm));
  const rope = layer.rope === undefined ? undefined : spec.rope[layer.rope];
  const shared = { heads, kvHeads, headDim };
  const { q, k } = ropeForward(qkv, {
    ...shared,
    ...{ eps: spec.norm.eps, offset: spec.norm.offset },
    ...{ rotate: rope !== undefined, rotary: rope?.rotary ?? 0, theta: rope?.theta ?? 1 },
    positions: Array.from({ length: N }, (_, n) => n),
    qNorm: layer.qNorm === undefined ? undefined : of(weights, `${layer.qNorm}.weight`),
    kNorm: layer.kNorm === undefined ? undefined : of(weights, `${layer.kNorm}.weight`),
  });
  const scores = { scale: spec.attentionScale, window: layer.window, softcap: spec.attentionSoftcap };
  const { out } = attentionForward({ q, k, qkv }, { ...shared, ...scores, rowLengths: [N] });
  let branch = project(decoder, out, layer.output);
  if (layer.postAttentionNorm) branch = norm(decoder, branch, layer.postAttentionNorm);
  const middle = add(x, branch);
  const up = Array.from(group(layer.up, norm(decoder, middle, layer.mlpNorm)));
  const gated = up.length === 2 * N * spec.mlp;
  const activated = gated ? gluForward(up, spec.mlp, spec.activation) : geluForward(up);
  let mlp = project(decoder, activated, layer.down);
  if (layer.postMlpNorm) mlp = norm(decoder, mlp, layer.postMlpNorm);
  return add(middle, mlp);
}

/** A token that is learned, as its model sees it. */
export interface OracleToken extends HeadRow {
  readonly correct: boolean;
  /** (hidden) the normed state from which it is predicted. */
  readonly hidden: Float64Array;
}

/** What the head says of a row's targets. Rotary tables are unscaled. */
export function decoderTokens(decoder: Decoder, { ids, targets }: OracleRow, temperature = 1): OracleToken[] {
  const { spec, weights } = decoder;
  const table = of(weights, `${spec.embedding}.weight`);
  const positions =
    spec.positionTable === undefined ? undefined : of(weights, `${spec.positionTable}.weight`);
  const head = of(weights, `${spec.head}.weight`);
  const C = spec.hidden;
  let x: Float64Array = Float64Array.from({ length: ids.length * C }, (_, i) => {
    const token = (table[(ids[Math.floor(i / C)] as number) * C + (i % C)] as number) * spec.embeddingScale;
    return token + (positions ? (positions[i] as number) : 0);
  });
  for (const layer of spec.layers) x = block(decoder, layer, x);
  const states = norm(decoder, x, spec.finalNorm);
  const options = { softcap: spec.finalSoftcap, temperature };
  return Array.from(targets, (t) => {
    const hidden = states.slice((t - 1) * C, t * C);
    const logits = times(hidden, C, spec.vocab, (o, i) => head[o * C + i] as number);
    const said = headForward(Array.from(logits), ids[t] as number, options);
    return { ...said, hidden, correct: said.argmax === ids[t] };
  });
}

/** Mean over all targets of -log p, each row alone. */
export function decoderLoss(decoder: Decoder, rows: readonly OracleRow[]): number {
  const tokens = rows.flatMap((row) => decoderTokens(decoder, row));
  return -tokens.reduce((sum, { logp }) => sum + logp, 0) / tokens.length;
}
