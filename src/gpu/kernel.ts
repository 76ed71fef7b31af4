import { AppError, invariant } from "../lib/errors.ts";
import { STEP_WGSL } from "./step.ts";

/**
 * The static description of one .wgsl file. Bindings, all in group 0: reads (outside the arena, `read`), writes
 * (`read_write`), then the uniform `Params` if there are any, then the uniform `Step` if `step` is set.
 */
export interface Kernel<
  Read extends string = string,
  Write extends string = string,
  Param extends string = string,
> {
  readonly name: string;
  readonly source: string;
  readonly reads: readonly Read[];
  readonly writes: readonly Write[];
  /** Scalars only, so the field at index i sits at byte offset 4 * i of the WGSL `Params` struct. */
  readonly params: Readonly<Record<Param, "u32" | "f32">>;
  /** Whether the shader reads the `Step` uniform. */
  readonly step: boolean;
  /** Replaceable `const NAME = value; // one of ...` lines and the values they may take; the first is the file's. */
  readonly consts: Readonly<Record<string, readonly number[]>>;
}

export type Consts = Readonly<Record<string, number>>;

/** Declares a kernel; its types make a missing tensor or parameter a compile error. */
export function defineKernel<
  const Read extends string,
  const Write extends string,
  const Param extends string = never,
>(
  kernel: Omit<Kernel<Read, Write, Param>, "params" | "step" | "consts"> &
    Partial<Pick<Kernel<Read, Write, Param>, "params" | "step" | "consts">>,
): Kernel<Read, Write, Param> {
  return {
    params: {} as Readonly<Record<Param, "u32" | "f32">>,
    step: false,
    consts: {},
    ...kernel,
  };
}

/** The source with its `const` lines replaced. Only declared names and values; the file itself is the default variant. */
export function variantSource(kernel: Kernel, consts: Consts): string {
  let source = kernel.source;
  for (const [name, value] of Object.entries(consts)) {
    const allowed = kernel.consts[name];
    invariant(
      allowed?.includes(value),
      `${kernel.name}: ${name} = ${value} is not one of ${allowed?.join(", ")}`,
    );
    const line = new RegExp(`^(const ${name} = )[0-9]+(u?;)`, "m");
    invariant(line.test(source), `${kernel.name}: no line "const ${name} = ..."`);
    source = source.replace(line, `$1${value}$2`);
  }
  return source;
}

export function variantKey(kernel: Kernel, consts: Consts): string {
  const parts = Object.entries(consts)
    .map(([name, value]) => `${name}=${value}`)
    .sort();
  return `${kernel.name}(${parts.join(",")})`;
}

/** Checks that the shader's bindings are the ones declared; a mismatch is a bug that some drivers run silently. */
export function checkBindings(kernel: Kernel): void {
  const expected = [
    ...kernel.reads.map((name) => `storage, read ${name}`),
    ...kernel.writes.map((name) => `storage, read_write ${name}`),
    ...(Object.keys(kernel.params).length > 0 ? ["uniform p"] : []),
    ...(kernel.step ? ["uniform step"] : []),
  ];
  const found = [...kernel.source.matchAll(/@group\(0\) @binding\((\d+)\) var<([^>]+)> (\w+)\s*:/g)].map(
    ([, index, space, name], i) => {
      invariant(Number(index) === i, `${kernel.name}: bindings must be numbered in order`);
      return `${space} ${name}`;
    },
  );
  invariant(
    found.join("; ") === expected.join("; "),
    `${kernel.name}: shader binds [${found.join("; ")}], declared [${expected.join("; ")}]`,
  );
  const fields = Object.entries(kernel.params).map(([name, type]) => `${name}: ${type}`);
  const struct = kernel.source.match(/struct Params \{([^}]*)\}/)?.[1] ?? "";
  const text = struct
    .split(/[,\n]/)
    .map((field) => field.replace(/\/\/.*$/, "").trim())
    .filter((field) => field !== "");
  invariant(text.join(", ") === fields.join(", "), `${kernel.name}: struct Params is {${text.join(", ")}}`);
  invariant(
    !kernel.step || kernel.source.includes(STEP_WGSL),
    `${kernel.name}: struct Step is not the common one`,
  );
}

interface Compiled {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** Compiles each kernel variant once, with an explicit layout generated from the kernel's declaration. */
export class PipelineCache {
  readonly #device: GPUDevice;
  readonly #compiled = new Map<string, Compiled>();
  readonly #pending = new Map<string, Promise<Compiled>>();
  created = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Throws `shader-invalid` on any compiler message: warnings are errors. */
  async compile(kernel: Kernel, consts: Consts): Promise<Compiled> {
    const key = variantKey(kernel, consts);
    const done = this.#compiled.get(key);
    if (done) return done;
    const pending = this.#pending.get(key) ?? this.#build(kernel, consts, key);
    this.#pending.set(key, pending);
    const compiled = await pending;
    this.#compiled.set(key, compiled);
    return compiled;
  }

  async #build(kernel: Kernel, consts: Consts, key: string): Promise<Compiled> {
    checkBindings(kernel);
    this.created += 1;
    const code = variantSource(kernel, consts);
    const module = this.#device.createShaderModule({ label: key, code });
    const { messages } = await module.getCompilationInfo();
    if (messages.length > 0) {
      const lines = messages.map(
        (m) => `${kernel.name}.wgsl:${m.lineNum}:${m.linePos} ${m.type}: ${m.message}`,
      );
      throw new AppError("shader-invalid", lines.join("\n"), { details: { kernel: key } });
    }
    const layout = this.#device.createBindGroupLayout({ label: key, entries: layoutEntries(kernel) });
    try {
      const pipeline = await this.#device.createComputePipelineAsync({
        label: key,
        layout: this.#device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: "main" },
      });
      return { pipeline, layout };
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new AppError("shader-invalid", `${key}: ${reason}`, { details: { kernel: key }, cause });
    }
  }
}

function layoutEntries(kernel: Kernel): GPUBindGroupLayoutEntry[] {
  const types: GPUBufferBindingType[] = [
    ...kernel.reads.map(() => "read-only-storage" as const),
    ...kernel.writes.map(() => "storage" as const),
    ...(Object.keys(kernel.params).length > 0 ? ["uniform" as const] : []),
    ...(kernel.step ? ["uniform" as const] : []),
  ];
  return types.map((type, binding) => ({ binding, visibility: GPUShaderStage.COMPUTE, buffer: { type } }));
}
