import { mappingWith } from "../../store/setup.ts";
import { setSetting } from "../../store/setup_actions.ts";
import { knownRole, knownRoles, rolesFor } from "./data_status.ts";
import { useDataKind } from "./use_method.ts";

interface ColumnHeadProps {
  readonly columns: readonly string[];
  readonly roles: Readonly<Record<string, string>>;
  readonly column: string;
}

/** A column's name, and the role that it plays. */
export function ColumnHead({ columns, roles, column }: ColumnHeadProps) {
  const kind = useDataKind();
  const role = knownRole(roles[column], kind);
  const pick = (next: string) =>
    setSetting(
      "column_mapping",
      mappingWith(knownRoles({ columns, roles }, kind), column, next === "" ? null : next),
    );
  return (
    <span className="column-head">
      <span className="ellipsis" title={column}>
        {column}
      </span>
      <select
        className="select role-select"
        aria-label={`Role of the column ${column}`}
        value={role ?? ""}
        onChange={(event) => pick(event.target.value)}
      >
        {/* A column that is called by a role plays it: there is nothing to take away. */}
        {role !== column && <option value="">not used</option>}
        {rolesFor(kind).map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </span>
  );
}
