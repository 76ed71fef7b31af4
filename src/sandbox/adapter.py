"""Loads a person's Python functions and calls them in the form that they are written in. Everything that comes in or goes
out is JSON text, and nothing that the person's code does is raised: it is a fault in the answer."""

import ast
import inspect
import json
import math
import numbers
import sys
import traceback
import types

BATCH_NAMES = ("prompts", "completions", "completion_ids")
ROW_EXAMPLE = 'a dict with columns, such as {"prompt": ...}'
BATCH_EXAMPLE = 'a dict with a list for each column, such as {"prompt": [...]}'


def cut(text):
    return text if len(text) <= 40 else text[:40] + "…"


def show(value):
    if value is None:
        return "None"
    if isinstance(value, str):
        return "the text " + json.dumps(cut(value), ensure_ascii=False)
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, (bool, int, float)):
        return cut(str(value))
    return f"a value of type {type(value).__name__}"


def fault(kind, message):
    return {"fault": {"kind": kind, "message": message}}


def line_of(error, title):
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == title]
    return frames[-1].lineno if frames else None


def describe(error):
    text = str(error)
    message = f"{type(error).__name__}: {text}" if text else type(error).__name__
    if isinstance(error, ModuleNotFoundError):
        message += ". Only Python's standard library can be imported here"
    return message


def threw(error, title):
    found = {"kind": "threw", "message": describe(error)}
    line = line_of(error, title)
    if line is not None:
        found["line"] = line
    return {"fault": found}


def read_score(value):
    if value is None:
        return {"value": None}
    if isinstance(value, numbers.Real):
        try:
            number = float(value)
        except (OverflowError, ValueError):
            number = math.nan
        if math.isfinite(number):
            return {"value": number}
    return fault("not-a-number", f"returned {show(value)} instead of a finite number")


def read_scores(value, count):
    if isinstance(value, (list, tuple)) and len(value) == count:
        return [read_score(each) for each in value]
    message = f"returned {show(value)} instead of a list with one number for each of the {count} completions"
    return [fault("wrong-shape", message)] * count


def read_columns(value, example):
    if not isinstance(value, dict):
        what = "nothing" if value is None else show(value)
        return fault("wrong-shape", f"returned {what} instead of {example}")
    # NaN is no JSON; a column that holds one is refused with Python's own words.
    return {"value": json.dumps(value, allow_nan=False)}


class Loaded:
    """A function, the form that it is written in, and the batch that it is given next."""

    def __init__(self, fn, title):
        self.fn = fn
        self.title = title
        try:
            self.parameters = list(inspect.signature(fn).parameters.values())
        except (TypeError, ValueError):
            self.parameters = []
        kinds = inspect.Parameter
        self.positional = [p for p in self.parameters if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
        self.takes_all = any(p.kind == kinds.VAR_KEYWORD for p in self.parameters)
        first = self.positional[0].name if self.positional else None
        only_keywords = first is None and self.takes_all
        self.style = "batch" if first in BATCH_NAMES or only_keywords else "per-completion"
        self.items = []

    def keywords(self, values, taken=()):
        """The values that the function has a name for; all of them where it has **kwargs."""
        names = {p.name for p in self.parameters if p.kind != inspect.Parameter.POSITIONAL_ONLY}
        return {key: value for key, value in values.items() if key not in taken and (self.takes_all or key in names)}

    def score_one(self, item):
        values = {**item["kwargs"], "reference": item["reference"]}
        given = [item["text"]]
        second = self.positional[1] if len(self.positional) > 1 else None
        # A second parameter that has no name of ours is the reference by its place.
        if second is not None and (second.name not in values or second.kind == inspect.Parameter.POSITIONAL_ONLY):
            given.append(item["reference"])
        return self.fn(*given, **self.keywords(values, {p.name for p in self.positional[: len(given)]}))

    def score_all(self, values):
        values["trainer_state"] = values["trainer_state"] and types.SimpleNamespace(**values["trainer_state"])
        values["log_metric"] = lambda name, value: print(f"{name} = {value}")
        values["log_extra"] = lambda column, entries: print(f"{column}: {entries}")
        return self.fn(**self.keywords(values))


loaded = None


def answer(read, failed, call):
    """JSON text of what `call` gives, or an awaitable of it for an async function."""

    def text(value):
        try:
            return json.dumps(read(value))
        except BaseException as error:
            return json.dumps(failed(threw(error, loaded.title)))

    async def later(value):
        try:
            value = await value
        except BaseException as error:
            return json.dumps(failed(threw(error, loaded.title)))
        return text(value)

    try:
        value = call()
    except BaseException as error:
        return json.dumps(failed(threw(error, loaded.title)))
    return later(value) if inspect.isawaitable(value) else text(value)


def same(value):
    return value


def load(code, title, name):
    """Compiles and runs the code, and finds its function: JSON with `style`, or with `message` and `line`."""
    global loaded
    module = types.ModuleType("user_code")
    sys.modules["user_code"] = module
    try:
        fn = find(code, title, name, module)
    except SyntaxError as error:
        return json.dumps({"message": f"{type(error).__name__}: {error.msg}", "line": error.lineno})
    except BaseException as error:
        return json.dumps({"message": describe(error), "line": line_of(error, title)})
    if fn is None:
        return json.dumps({"message": "It defines no function." if name is None else f"It defines no function {name}."})
    loaded = Loaded(fn, title)
    return json.dumps({"style": loaded.style})


def find(code, title, name, module):
    tree = ast.parse(code, title)
    # A lambda on its own is the function.
    if name is None and len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr):
        value = eval(compile(ast.Expression(tree.body[0].value), title, "eval"), module.__dict__)
        return value if callable(value) else None
    exec(compile(tree, title, "exec"), module.__dict__)
    if name is not None:
        value = module.__dict__.get(name)
        return value if callable(value) else None
    own = [v for v in module.__dict__.values() if isinstance(v, types.FunctionType) and v.__code__.co_filename == title]
    return own[-1] if own else None


def take(text):
    loaded.items = json.loads(text)


def score_one(item):
    return answer(read_score, same, lambda: loaded.score_one(loaded.items[item]))


def score_all(count):
    return answer(
        lambda value: read_scores(value, count),
        lambda found: [found] * count,
        lambda: loaded.score_all(loaded.items),
    )


def process(text, batched):
    row, kwargs = json.loads(text)
    example = BATCH_EXAMPLE if batched else ROW_EXAMPLE
    return answer(lambda value: read_columns(value, example), same, lambda: loaded.fn(row, **kwargs))
