"""Runs bundles of src/cluster with the real trl for two steps, and records what was run and what it said.

    BUNDLES_TO=/tmp/bundles npx vitest run --project unit test/cluster/bundle.test.ts
    python scripts/check_cluster.py /tmp/bundles public/models/aligntune-tiny test/cluster/recorded

Needs trl, transformers, peft, datasets, PyYAML (requirements.txt of a bundle).
"""

import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

import yaml


def record(bundle, model):
    files = {
        str(path.relative_to(bundle)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(bundle.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "train.py", "--from-base", "--model", str(model.resolve()), "--output", out]
        subprocess.run(command, cwd=bundle, check=True)
        log = json.loads((pathlib.Path(out) / "log_history.json").read_text())
    kept = [{key: row[key] for key in ("step", "loss", "grad_norm")} for row in log if "loss" in row]
    return {"files": files, "yaml": yaml.safe_load((bundle / "training_config.yaml").read_text()), "log": kept}


def main(bundles, model, target):
    for bundle in sorted(pathlib.Path(bundles).iterdir()):
        found = record(bundle, pathlib.Path(model))
        path = pathlib.Path(target) / f"{bundle.name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, indent=1) + "\n")
        print(bundle.name, found["log"])


if __name__ == "__main__":
    main(*sys.argv[1:])
