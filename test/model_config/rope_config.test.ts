import { expect, it } from "vitest";
import { attentionFactor, inverseFrequencies } from "../../src/kernels/rope/tables.ts";
import { ConfigReader } from "../../src/model/config_reader.ts";
import { type RopeDefaults, readRope } from "../../src/model/rope_config.ts";

const read = (json: object, headDim = 8, defaults: RopeDefaults = {}) =>
  readRope(new ConfigReader({ max_position_embeddings: 64, ...json }), headDim, defaults);

it("reads transformers 4 and 5 as the same settings", () => {
  const scaling = {
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 16,
  };
  const newer = read({ rope_parameters: { rope_type: "llama3", rope_theta: 5e5, ...scaling } });
  expect(newer).toMatchObject({ theta: 5e5, rotary: 8, scaling: { type: "llama3", factor: 8 } });
  for (const key of ["type", "rope_type"])
    expect(read({ rope_theta: 5e5, rope_scaling: { [key]: "llama3", ...scaling } })).toEqual(newer);
});

it("lets a scaling of the older form win over the newer, as transformers", () => {
  const both = { rope_scaling: { type: "linear", factor: 2 }, rope_parameters: { rope_type: "default" } };
  expect(read(both).scaling).toEqual({ type: "linear", factor: 2 });
  expect(read({ ...both, rope_scaling: null }).scaling).toEqual({ type: "default" });
});

it("reads the settings of a layer type", () => {
  const rope_parameters = {
    full_attention: { rope_type: "linear", factor: 8, rope_theta: 1e6 },
    sliding_attention: { rope_type: "default", rope_theta: 1e4 },
  };
  const full = read({ rope_parameters }, 8, { layerType: "full_attention", theta: 1 });
  expect(full).toMatchObject({ theta: 1e6, scaling: { type: "linear", factor: 8 } });
  expect(read({ rope_parameters }, 8, { layerType: "sliding_attention" }).theta).toBe(1e4);
});

it("gives Gemma 3's older form to full attention alone", () => {
  const older = {
    rope_theta: 1e6,
    rope_local_base_freq: 5e3,
    rope_scaling: { rope_type: "linear", factor: 8 },
  };
  expect(read(older, 8, { layerType: "full_attention" }).scaling).toEqual({ type: "linear", factor: 8 });
  const sliding = { layerType: "sliding_attention", thetaKey: "rope_local_base_freq", scaled: false };
  expect(read(older, 8, sliding)).toMatchObject({ theta: 5e3, scaling: { type: "default" } });
});

it("takes the original length from the model before the scaling, and the whole length last", () => {
  const yarn = { rope_type: "yarn", factor: 4 };
  const original = (json: object) => {
    const { scaling } = read(json);
    return scaling.type === "yarn" ? scaling.originalMaxPositions : undefined;
  };
  const own = { rope_scaling: { ...yarn, original_max_position_embeddings: 16 } };
  expect(original({ ...own, original_max_position_embeddings: 8 })).toBe(8);
  expect(original(own)).toBe(16);
  expect(original({ rope_scaling: yarn })).toBe(64);
});

it("rounds an odd number of rotated channels up to pairs", () => {
  const options = { partial: true };
  expect(read({ partial_rotary_factor: 0.5 }, 16, options)).toMatchObject({ rotary: 8 });
  expect(read({ partial_rotary_factor: 0.75 }, 20, options)).toMatchObject({ rotary: 16, dim: 15 });
});

// Rounded to float32 there.
const YARN = [
  1, 0.07905694097280502, 0.02500000037252903, 0.007905694656074047, 0.0024999999441206455,
  0.0007905694656074047, 0.0002500000118743628, 7.905694656074047e-5,
];
const YARN_SIZE = 1.138629436111989;
const YARN_WIDE = [
  1, 0.35628801584243774, 0.0947175920009613, 0.01215615589171648, 0.005590170156210661,
  0.0025707141030579805, 0.0011821769876405597, 0.0005436398205347359,
];
const YARN_WIDE_SIZE = 0.9167912505456107;

// Numbers of transformers 5.18, ROPE_INIT_FUNCTIONS, for a head of 16 channels.
it("makes yarn's frequencies and size of transformers", () => {
  const plain = { rope_type: "yarn", factor: 4, original_max_position_embeddings: 16, rope_theta: 10000 };
  const wide = { mscale: 0.7, mscale_all_dim: 1.2, beta_fast: 4, beta_slow: 0.5, truncate: false };
  const cases = [
    { settings: plain, frequencies: YARN, size: YARN_SIZE },
    {
      settings: { ...plain, factor: 8, original_max_position_embeddings: 32, rope_theta: 500, ...wide },
      frequencies: YARN_WIDE,
      size: YARN_WIDE_SIZE,
    },
  ];
  for (const { settings, frequencies, size } of cases) {
    const angles = read({ rope_parameters: settings }, 16);
    const actual = [...inverseFrequencies(angles)];
    frequencies.forEach((value, i) => {
      expect((actual[i] ?? 0) / value).toBeCloseTo(1, 6); // those are float32
    });
    expect(attentionFactor(angles.scaling)).toBeCloseTo(size, 12);
  }
});
