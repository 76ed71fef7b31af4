"""Records what src/cluster/text_rewards.py says of the cases of test/cluster: CASES=FILE made by its test, into the fixture.

    CASES_TO=/tmp/cases.json npx vitest run --project unit test/cluster/python_rewards.test.ts
    python scripts/record_cluster_rewards.py /tmp/cases.json test/cluster/python_rewards.json
"""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "src/cluster"))

from text_rewards import REWARDS  # noqa: E402


def main(cases_path, fixture_path):
    given = json.loads(pathlib.Path(cases_path).read_text())
    values = []
    for case in given["cases"]:
        score = REWARDS[case["type"]](case["params"], given["longest"])
        values.append(score(case["text"], case["ids"], case["reference"]))
    pathlib.Path(fixture_path).write_text(json.dumps(values) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
