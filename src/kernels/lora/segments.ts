import { invariant } from "../../lib/errors.ts";
import type { LoraSegment } from "../linear/weight.ts";

const NONE: LoraSegment = { begin: 0, end: 0, u: 0, row: 0 };

/** The parameter fields of up to three segments, in the order of the shaders' Params. */
export const SEGMENT_PARAMS = {
  segments: "u32",
  begin0: "u32",
  end0: "u32",
  u0: "u32",
  row0: "u32",
  begin1: "u32",
  end1: "u32",
  u1: "u32",
  row1: "u32",
  begin2: "u32",
  end2: "u32",
  u2: "u32",
  row2: "u32",
} as const;

/** The values of those fields. Segments must not share columns of u: each owns `rank` of them. */
export function segmentParams(
  kernel: string,
  segments: readonly LoraSegment[],
  rank: number,
): Record<keyof typeof SEGMENT_PARAMS, number> {
  invariant(segments.length >= 1 && segments.length <= 3, `${kernel}: 1 to 3 segments`);
  for (const segment of segments) {
    invariant(
      segment.end > segment.begin && segment.u % rank === 0,
      `${kernel}: a segment is empty or misplaced`,
    );
  }
  invariant(
    new Set(segments.map(({ u }) => u)).size === segments.length,
    `${kernel}: segments share columns of u`,
  );
  const [s0 = NONE, s1 = NONE, s2 = NONE] = segments;
  return {
    segments: segments.length,
    begin0: s0.begin,
    end0: s0.end,
    u0: s0.u,
    row0: s0.row,
    begin1: s1.begin,
    end1: s1.end,
    u1: s1.u,
    row1: s1.row,
    begin2: s2.begin,
    end2: s2.end,
    u2: s2.u,
    row2: s2.row,
  };
}
