/**
 * What changes from one execution of a recorded program to the next: one 64-byte uniform, written once per submit.
 * Everything else is fixed when the program is recorded.
 */
export const STEP_FIELDS = {
  /** Tokens on the packed axis of this execution. */
  N: "u32",
  /** Tokens that the loss reads. */
  M: "u32",
  /** Rows (sequences). */
  R: "u32",
  /** Tiles of attention queries. */
  T: "u32",
  /** Distinct token ids, for the embedding's gradient. */
  U: "u32",
  /** Which micro-batch of the optimizer step this is: the slot of its metrics. */
  micro: "u32",
  seed: "u32",
  /** Optimizer steps done before this one; in generation, tokens generated so far. */
  step: "u32",
  /** The learning rate of this optimizer step. */
  lr: "f32",
  /** NEFTune's half width of the uniform noise; 0 turns it off. */
  noise: "f32",
  temperature: "f32",
  top_p: "f32",
  min_p: "f32",
  /** Repetition penalty; 1 turns it off. */
  penalty: "f32",
  top_k: "u32",
  spare: "u32",
} as const;

export type StepValues = { readonly [name in keyof typeof STEP_FIELDS]: number };

export const ZERO_STEP: StepValues = {
  N: 0,
  M: 0,
  R: 0,
  T: 0,
  U: 0,
  micro: 0,
  seed: 0,
  step: 0,
  lr: 0,
  noise: 0,
  temperature: 1,
  top_p: 1,
  min_p: 0,
  penalty: 1,
  top_k: 0,
  spare: 0,
};

/** The declaration that every shader with a `Step` binding repeats, word for word. */
export const STEP_WGSL = `struct Step { ${Object.entries(STEP_FIELDS)
  .map(([name, type]) => `${name}: ${type}`)
  .join(", ")} }`;

export const STEP_BYTES = 4 * Object.keys(STEP_FIELDS).length;

/** Encodes 4-byte scalars in declaration order. */
export function encodeScalars(
  fields: Readonly<Record<string, "u32" | "f32">>,
  values: Readonly<Record<string, number>>,
): Uint8Array<ArrayBuffer> {
  const names = Object.keys(fields);
  const view = new DataView(new ArrayBuffer(Math.max(16, Math.ceil(names.length / 4) * 16)));
  names.forEach((name, i) => {
    const value = values[name];
    if (value === undefined) throw new Error(`no value for ${name}`);
    if (fields[name] === "u32") view.setUint32(4 * i, value, true);
    else view.setFloat32(4 * i, value, true);
  });
  return new Uint8Array(view.buffer);
}
