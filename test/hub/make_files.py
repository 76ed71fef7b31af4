"""Writes the Parquet files of this folder: python make_files.py, with pyarrow 25.0.1.

The rows are our own, in the columns and types of openai/gsm8k (main) and google-research-datasets/mbpp (full).
"""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

FILES = Path(__file__).parent / "files"
NAMES = ["Tom", "Ida", "Leo", "Mia", "Ben", "Eva", "Max", "Zoe", "Sam", "Ann", "Jon", "Kim"]


def gsm8k(first: int, count: int) -> pa.Table:
    questions, answers = [], []
    for i in range(first, first + count):
        name, have, more = NAMES[i % len(NAMES)], 2 + i % 5, 1 + i % 3
        total = have + more
        questions.append(f"{name} has {have} shells and finds {more} more. How many shells does {name} have?")
        answers.append(f"{name} has {have} + {more} = <<{have}+{more}={total}>>{total} shells.\n#### {total}")
    schema = pa.schema([("question", pa.string()), ("answer", pa.string())])
    return pa.table({"question": questions, "answer": answers}, schema=schema)


def mbpp(first: int, count: int) -> pa.Table:
    numbers = range(first, first + count)
    names = [f"add_{n}" for n in numbers]
    schema = pa.schema(
        [
            ("task_id", pa.int32()),
            ("text", pa.string()),
            ("code", pa.string()),
            ("test_list", pa.list_(pa.string())),
            ("test_setup_code", pa.string()),
            ("challenge_test_list", pa.list_(pa.string())),
        ]
    )
    return pa.table(
        {
            "task_id": list(numbers),
            "text": [f"Write a function to add {n} to a number." for n in numbers],
            "code": [f"def {name}(x):\r\n  return x + {n}" for name, n in zip(names, numbers)],
            "test_list": [[f"assert {name}(1) == {n + 1}", f"assert {name}(0) == {n}"] for name, n in zip(names, numbers)],
            "test_setup_code": ["" for _ in numbers],
            "challenge_test_list": [[] for _ in numbers],
        },
        schema=schema,
    )


def kinds() -> pa.Table:
    """One column of each type that a dataset may have, with a null in each."""
    return pa.table(
        {
            "small": pa.array([1, None], pa.int64()),
            "large": pa.array([2**60, None], pa.int64()),
            "share": pa.array([0.5, None], pa.float64()),
            "flag": pa.array([True, None], pa.bool_()),
            "day": pa.array([1_000, None], pa.timestamp("ms")),
            "turns": pa.array(
                [[{"role": "user", "content": "Hi"}], None],
                pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])),
            ),
        }
    )


def values() -> pa.Table:
    """Values that JSON writes otherwise."""
    return pa.table(
        {
            "price": pa.array([Decimal("12.50")], pa.decimal128(9, 2)),
            "day": pa.array([date(2024, 2, 29)], pa.date32()),
            "at": pa.array([datetime(2024, 2, 29, 12, 30)], pa.timestamp("us")),
            "bytes": pa.array([b"\x01\xff"], pa.binary(2)),
            "level": pa.array(["easy"], pa.dictionary(pa.int32(), pa.string())),
            "answers": pa.array(
                [{"text": ["1901"], "answer_start": [19]}],
                pa.struct([("text", pa.list_(pa.string())), ("answer_start", pa.list_(pa.int64()))]),
            ),
        }
    )


def wide(count: int) -> pa.Table:
    """Questions beside a column that nothing is read of."""
    table = gsm8k(0, count)
    return table.append_column("noise", pa.array([f"{i} " * 20 for i in range(count)]))


def write(table: pa.Table, path: str, **options: object) -> None:
    target = FILES / path
    target.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, target, **options)


write(gsm8k(0, 12), "gsm8k/main/train-00000-of-00001.parquet")
write(gsm8k(12, 4), "gsm8k/main/test-00000-of-00001.parquet")
write(mbpp(601, 8), "mbpp/full/train-00000-of-00001.parquet")
write(mbpp(511, 3), "mbpp/full/validation-00000-of-00001.parquet")
write(mbpp(11, 3), "mbpp/full/test-00000-of-00001.parquet")
write(kinds(), "kinds/kinds.parquet")
write(gsm8k(0, 6), "kinds/gzip.parquet", compression="gzip", row_group_size=4)
write(gsm8k(0, 2), "kinds/zstd.parquet", compression="zstd")
write(gsm8k(0, 2), "kinds/brotli.parquet", compression="brotli")
write(gsm8k(0, 2), "kinds/lz4.parquet", compression="lz4")
write(gsm8k(0, 12), "kinds/groups.parquet", compression="none", row_group_size=2)
write(wide(250), "kinds/wide.parquet", compression="none", row_group_size=50)
write(values(), "kinds/values.parquet")
