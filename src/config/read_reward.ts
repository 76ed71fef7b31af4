/** `type[:weight=W][:name=value...]`, the short form of a reward on a command line. */
function readShort(text: string): Record<string, unknown> {
  const [type = "", ...rest] = text.split(":").map((part) => part.trim());
  const pairs = rest.map((part): [string, unknown] => {
    const at = part.indexOf("=");
    const word = part.slice(at + 1);
    const number = word === "" ? Number.NaN : Number(word);
    const flag = word === "true" ? true : word === "false" ? false : word;
    return [part.slice(0, at), Number.isNaN(number) ? flag : number];
  });
  const { weight = 1, ...params } = Object.fromEntries(pairs);
  return { type, weight, params };
}

const MEANINGLESS = new Set(["clip", "normalize", "shield", "model_name"]);

const toWeight = (value: unknown): unknown => {
  if (value === undefined || value === null) return 1;
  return typeof value === "string" && value.trim() !== "" && !Number.isNaN(Number(value))
    ? Number(value)
    : value;
};

/** A reward in any of its spellings, in our form; what is not understood is left for the check to refuse. */
export function readReward(raw: unknown): unknown {
  if (typeof raw === "function") return { type: "custom", weight: 1, params: {}, code: raw, ...nameOf(raw) };
  if (typeof raw === "string") return readShort(raw);
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) return raw;
  const {
    type,
    name,
    weight,
    params,
    code,
    source,
    reward_function,
    function: fn,
    ...rest
  } = raw as Record<string, unknown>;
  const { reward_function: inner, code: innerCode, ...others } = (params ?? {}) as Record<string, unknown>;
  const body = code ?? source ?? reward_function ?? fn ?? inner ?? innerCode;
  const title = type === undefined ? undefined : name;
  const kind = type ?? (body === undefined ? name : "custom");
  const unknown = Object.fromEntries(Object.entries(rest).filter(([key]) => !MEANINGLESS.has(key)));
  return {
    ...unknown,
    type: kind,
    weight: toWeight(weight),
    params: others,
    ...(title === undefined || title === null
      ? typeof body === "function"
        ? nameOf(body)
        : {}
      : { name: title }),
    ...(body === undefined || body === null ? {} : { code: body }),
  };
}

const nameOf = (fn: { readonly name?: unknown }): { name?: string } =>
  typeof fn.name === "string" && fn.name !== "" ? { name: fn.name } : {};
