import { AppError } from "../lib/errors.ts";
import type { Projection } from "./spec.ts";

/** Which linear layers get an adapter: PEFT's `target_modules`. */
export type TargetModules = "all-linear" | string | readonly string[];

/**
 * The projections that `target_modules` names, by PEFT's rules: `all-linear` is every linear except the head; a list
 * entry matches a module whose path is it or ends in `.` + it; a string is a regular expression for the whole path.
 * Throws `config-invalid` when an entry matches nothing or the expression is broken.
 */
export function matchTargets(
  projections: readonly Projection[],
  targets: TargetModules,
): ReadonlySet<Projection> {
  if (targets === "all-linear") return new Set(projections);
  if (typeof targets === "string") return new Set(filterRegex(projections, targets));
  const found = new Set<Projection>();
  for (const target of targets) {
    const matches = projections.filter(({ module }) => module === target || module.endsWith(`.${target}`));
    if (matches.length === 0) throw unmatched(target, projections);
    for (const projection of matches) found.add(projection);
  }
  if (found.size === 0) throw unmatched("[]", projections);
  return found;
}

function filterRegex(projections: readonly Projection[], pattern: string): Projection[] {
  let regex: RegExp;
  try {
    regex = new RegExp(`^(?:${pattern})$`, "u");
  } catch (cause) {
    throw new AppError("config-invalid", `target_modules: "${pattern}" is not a regular expression`, {
      cause,
    });
  }
  const matches = projections.filter(({ module }) => regex.test(module));
  if (matches.length === 0) throw unmatched(pattern, projections);
  return matches;
}

function unmatched(target: string, projections: readonly Projection[]): AppError {
  const names = [...new Set(projections.map(({ module }) => module.split(".").at(-1) ?? module))];
  return new AppError(
    "config-invalid",
    `target_modules: "${target}" matches no linear layer of this model. It has: ${names.join(", ")}.`,
    { details: { key: "target_modules", available: names } },
  );
}
