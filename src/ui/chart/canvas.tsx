import { useEffect, useRef, useState } from "react";
import type uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useTheme } from "../../store/theme.ts";
import { type Line, type Mark, makePlot } from "./plot.ts";

interface CanvasProps {
  readonly data: uPlot.AlignedData;
  readonly lines: readonly Line[];
  readonly marks: readonly Mark[];
  readonly height: number;
  readonly logarithmic: boolean;
  /** The point that the keyboard has chosen. */
  readonly chosen: number | null;
  readonly onCursor: (index: number | null) => void;
}

const shapeOf = (lines: readonly Line[]): string => JSON.stringify(lines);

/** uPlot in React: made again when its shape or the colours change, given new data otherwise. */
export function Canvas({ data, lines, marks, height, logarithmic, chosen, onCursor }: CanvasProps) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef({ data, lines, marks, onCursor });
  latest.current = { data, lines, marks, onCursor };
  const drawn = useTheme((state) => state.drawn);
  const width = useWidth(host);
  const shape = shapeOf(lines);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a change of shape or of colours makes a new plot.
  useEffect(() => {
    if (!host.current || width === 0) return;
    const made = makePlot(host.current, latest.current.data, {
      width,
      height,
      lines: latest.current.lines,
      logarithmic,
      marks: () => latest.current.marks,
      onCursor: (index) => latest.current.onCursor(index),
    });
    plot.current = made;
    return () => {
      made.destroy();
      plot.current = null;
    };
  }, [width, height, logarithmic, shape, drawn]);

  useEffect(() => {
    plot.current?.setData(data);
  }, [data]);

  useEffect(() => {
    const made = plot.current;
    const step = chosen === null ? undefined : data[0][chosen];
    if (made && step !== undefined) made.setCursor({ left: made.valToPos(step, "x"), top: 0 });
  }, [chosen, data]);

  return <div ref={host} className="chart-canvas" style={{ height }} aria-hidden="true" />;
}

/** The width of an element as it changes. */
function useWidth(ref: React.RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry) setWidth(Math.floor(entry.contentRect.width));
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [ref]);
  return width;
}
