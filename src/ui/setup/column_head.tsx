import { mappingWith } from "../../store/setup.ts";
import { setSetting } from "../../store/setup_actions.ts";
import { EXAMPLE_ROLES, knownRole, knownRoles } from "./data_status.ts";

interface ColumnHeadProps {
  readonly columns: readonly string[];
  readonly roles: Readonly<Record<string, string>>;
  readonly column: string;
}

/** A column's name, and the role that it plays. */
export function ColumnHead({ columns, roles, column }: ColumnHeadProps) {
  const role = knownRole(roles[column]);
  const pick = (next: string) =>
    setSetting(
      "column_mapping",
      mappingWith(knownRoles({ columns, roles }), column, next === "" ? null : next),
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
        {EXAMPLE_ROLES.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </span>
  );
}
