import { ScrollArea } from "../parts/scroll_area.tsx";
import { align, columnsOf, type Metric, sampled } from "./series.ts";

const MOST_ROWS = 50;

interface SeriesTableProps {
  readonly title: string;
  readonly metrics: readonly Metric[];
  readonly height: number;
  readonly format: (value: number) => string;
}

/** The numbers of a chart, at most fifty rows of them. */
export function SeriesTable({ title, metrics, height, format }: SeriesTableProps) {
  const columns = columnsOf(metrics);
  const { steps, values } = align(columns.map(({ points }) => points));
  const rows = sampled(
    steps.map((step, i) => ({ step, cells: values.map((column) => column[i] ?? null) })),
    MOST_ROWS,
  );
  return (
    <ScrollArea className="table-frame" style={{ maxHeight: height }} label={`${title} as a table`}>
      <table className="table">
        <thead>
          <tr>
            <th scope="col" className="number">
              Step
            </th>
            {columns.map((column) => (
              <th key={column.name} scope="col" className="number">
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ step, cells }) => (
            <tr key={step}>
              <td className="number">{step}</td>
              {cells.map((value, i) => (
                <td key={columns[i]?.name} className="number">
                  {value === null ? "—" : format(value)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollArea>
  );
}
