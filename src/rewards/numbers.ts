/** LaTeX and typography as plain text: fractions become a/b, spacing and \left \right go, \text{m} becomes m. */
export function plainText(text: string): string {
  const fraction = /\\[dt]?frac\s*(?:\{([^{}]*)\}\s*\{([^{}]*)\}|(\d)\s*(\d))/g;
  return text
    .replace(/[\u2212\u2013]/g, "-")
    .replace(/[\u00a0\u2009\u202f]/g, " ")
    .replace(/\\(?:left|right|!|,|;|:|quad|qquad)(?![a-zA-Z])/g, "")
    .replaceAll("{,}", ",")
    .replace(/\^\{?\\circ\}?|\\degree|°/g, "")
    .replace(/\\(?:text|textbf|mathrm|mathbf|mbox)\s*\{([^{}]*)\}/g, " $1 ")
    .replace(/(\d)\s*(?=\\[dt]?frac)/g, "$1 ")
    .replace(
      fraction,
      (_, a?: string, b?: string, c?: string, d?: string) =>
        `${(a ?? c ?? "").trim()}/${(b ?? d ?? "").trim()}`,
    )
    .replace(/\\times(?![a-zA-Z])/g, "×")
    .replace(/\\cdot(?![a-zA-Z])/g, "·")
    .replace(/\\div(?![a-zA-Z])/g, "÷")
    .replace(/\\([$%#&])/g, "$1")
    .replace(/\\[()[\]]/g, " ");
}

const DIGITS = String.raw`(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?`;
/** A minus is a sign when it stands before the number without a space and not after a number, a name or a bracket. */
export const NUMBER_IN_TEXT = new RegExp(
  String.raw`((?<![\w)\]]|\d\s+)-)?[$€£]?(?<![\w.])(${DIGITS})(?:\s*\/\s*(${DIGITS}))?`,
  "g",
);
const ALONE = new RegExp(String.raw`^[-+]?\s*[$€£]?\s*[-+]?(${DIGITS})\s*[$€£%]?\s*\.?$`);
const FRACTION = new RegExp(String.raw`^[-+]?\s*[$€£]?\s*[-+]?(${DIGITS})\s*\/\s*(${DIGITS})\s*%?\s*\.?$`);
const MIXED = /^[-+]?\s*(\d+)\s+(\d+)\s*\/\s*(\d+)$/;
const POWER = new RegExp(String.raw`^[-+]?\s*(${DIGITS})\s*[×·*x]\s*10\s*\^\s*\{?\s*(-?\d+)\s*\}?$`);

const toNumber = (digits: string): number => Number(digits.replaceAll(",", ""));
const finite = (value: number): number | undefined => (Number.isFinite(value) ? value : undefined);

/** The number that a whole text is, with thousands separators, $, %, fractions a/b, w a/b, or a x 10^n; else undefined. */
export function readNumber(text: string): number | undefined {
  const plain = plainText(text)
    .trim()
    .replace(/^[*_"'`]+|[*_"'`]+$/g, "")
    .replace(/^\$(.*)\$$/, "$1")
    .trim();
  const sign = /^[^\d.]*-/.test(plain) ? -1 : 1;
  const mixed = MIXED.exec(plain);
  if (mixed) return finite(sign * (Number(mixed[1]) + Number(mixed[2]) / Number(mixed[3])));
  const power = POWER.exec(plain);
  if (power) return finite(sign * toNumber(power[1] ?? "") * 10 ** Number(power[2]));
  const fraction = FRACTION.exec(plain);
  if (fraction) return finite((sign * toNumber(fraction[1] ?? "")) / toNumber(fraction[2] ?? ""));
  const alone = ALONE.exec(plain);
  return alone ? finite(sign * toNumber(alone[1] ?? "")) : undefined;
}

/** All numbers of a text, in order. */
export function numbersIn(text: string): readonly number[] {
  return [...plainText(text).matchAll(NUMBER_IN_TEXT)].flatMap(([, minus, above = "", below]) => {
    const value = (minus === undefined ? 1 : -1) * toNumber(above);
    const found = finite(below === undefined ? value : value / toNumber(below));
    return found === undefined ? [] : [found];
  });
}

/** Whole numbers must be equal; others may be `tolerance` of the larger one apart. */
export function sameNumber(a: number, b: number, tolerance: number): boolean {
  if (Number.isInteger(a) && Number.isInteger(b)) return a === b;
  return Math.abs(a - b) <= Math.max(tolerance * Math.max(Math.abs(a), Math.abs(b)), 1e-12);
}
