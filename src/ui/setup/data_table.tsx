import { useState } from "react";
import type { DataPreview } from "../../protocol/setup.ts";
import { formatCount, plural } from "../format.ts";
import { ScrollArea } from "../parts/scroll_area.tsx";
import { ColumnHead } from "./column_head.tsx";
import { cellText } from "./data_status.ts";

const FEW = 5;

/** The first rows, with the role of each column in its header. */
export function DataTable({ data }: { data: DataPreview }) {
  const [all, setAll] = useState(false);
  const { columns, roles, rows, rowCount } = data;
  const visible = all ? rows : rows.slice(0, FEW);
  return (
    <div className="stack tight">
      <ScrollArea className="table-frame data-table" label="First rows of the data">
        <table className="table">
          <caption className="hidden">
            The first {visible.length} rows of {data.name}
          </caption>
          <thead>
            <tr>
              <th scope="col" className="number">
                Row
              </th>
              {columns.map((column) => (
                <th key={column} scope="col">
                  <ColumnHead columns={columns} roles={roles} column={column} />
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {visible.map((cells, i) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a row is its number.
              <tr key={i}>
                <td className="number muted">{i + 1}</td>
                {cells.map((cell, j) => (
                  <td key={columns[j]} className="cell">
                    <div className="cell-text">{cellText(cell)}</div>
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollArea>
      <div className="row wrap between">
        <span className="muted small">
          {formatCount(visible.length)} of {plural(rowCount, "row")} shown
        </span>
        {rows.length > FEW && (
          <button type="button" className="link-button" onClick={() => setAll(!all)}>
            {all ? "Show fewer" : `Show ${rows.length}`}
          </button>
        )}
      </div>
    </div>
  );
}
