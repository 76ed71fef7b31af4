"""The rewards of a run as functions that TRL calls: built-in ones, and a person's own Python."""

import importlib.util
import json
import math
import pathlib

from text_rewards import REWARDS

HERE = pathlib.Path(__file__).resolve().parent
# Keeps a difference of rounding from becoming a large one, as in the app.
EPSILON = 1e-4


def text_of(completion):
    """TRL gives a conversation's answer as messages."""
    if isinstance(completion, str):
        return completion
    return "".join(message["content"] for message in completion)


def adjust(values, spec):
    """normalize over the completions of one call, then clip; what does not apply stays out."""
    there = [value for value in values if value is not None]
    low, high = spec["clip"] or (None, None)
    mean = sum(there) / len(there) if there else 0.0
    spread = math.sqrt(sum((v - mean) ** 2 for v in there) / (len(there) - 1)) if len(there) > 1 else 0.0
    out = []
    for value in values:
        if value is not None:
            value = (value - mean) / (spread + EPSILON) if spec["normalize"] else value
            value = max(value, -math.inf if low is None else low)
            value = min(value, math.inf if high is None else high)
        out.append(value)
    return out


def built_in(spec, longest):
    score = REWARDS[spec["type"]](spec["params"], longest)

    def values(prompts, completions, completion_ids, references, rows, state):
        return [score(text, ids, reference) for text, ids, reference in zip(completions, completion_ids, references)]

    return values


def own(spec):
    """A person's function, in the form that it is written in: one completion a call, or all in one."""
    module = importlib.util.spec_from_file_location(f"adapter_{spec['name']}", HERE / "adapter.py")
    adapter = importlib.util.module_from_spec(module)
    module.loader.exec_module(adapter)
    loaded = json.loads(adapter.load((HERE / spec["file"]).read_text(), spec["file"], spec["function"]))
    if "style" not in loaded:
        raise SystemExit(f"{spec['file']}: {loaded['message']}")

    def read(found):
        if "fault" not in found:
            return found["value"]
        print(f"{spec['name']}: {found['fault']['message']}; this completion gets no score from it")
        return None

    def values(prompts, completions, completion_ids, references, rows, state):
        rows = [{**spec["params"], **row} for row in rows]
        if loaded["style"] == "batch":
            names = dict.fromkeys(key for row in rows for key in row if key not in ("prompt", "completion"))
            batch = {name: [row.get(name) for row in rows] for name in names}
            batch |= {"prompts": prompts, "completion_ids": completion_ids, "trainer_state": state}
            # The answer to a conversation is a conversation.
            batch["completions"] = [
                text if isinstance(prompt, str) else [{"role": "assistant", "content": text}]
                for prompt, text in zip(prompts, completions)
            ]
            adapter.take(json.dumps(batch))
            return [read(found) for found in json.loads(adapter.score_all(len(completions)))]
        items = []
        for text, reference, row, prompt, ids in zip(completions, references, rows, prompts, completion_ids):
            columns = {key: value for key, value in row.items() if key not in ("text", "reference")}
            columns |= {"prompt": prompt, "completion_ids": ids, "row": row}
            items.append({"text": text, "reference": reference, "kwargs": columns})
        adapter.take(json.dumps(items))
        return [read(json.loads(adapter.score_one(i))) for i in range(len(items))]

    return values


def reward_function(spec, longest):
    if spec["type"] == "reward_model":
        return spec["model"]
    values = own(spec) if spec["file"] else built_in(spec, longest)

    def reward(prompts, completions, completion_ids=None, reference=None, row=None, trainer_state=None, **_):
        count = len(completions)
        state = None
        if trainer_state is not None:
            state = {key: getattr(trainer_state, key) for key in ("global_step", "max_steps", "epoch")}
        scores = values(
            prompts,
            [text_of(completion) for completion in completions],
            completion_ids or [[]] * count,
            reference or [None] * count,
            [json.loads(text) for text in row] if row else [{}] * count,
            state,
        )
        return adjust(scores, spec)

    reward.__name__ = spec["name"]
    return reward


def reward_functions(specs, longest):
    return [reward_function(spec, longest) for spec in specs]
