"""What a base model can do: the gates that it passes before its weights are frozen."""

import re

import torch

from qwen3 import generate

RESULT = re.compile(r"#### (-?\d+)$")


def result(text):
    match = RESULT.search(text)
    return match.group(1) if match else None


def answers(model, tokenizer, prompts, temperature, seed):
    """One answer for each prompt (texts); empty where the model did not stop within 32 tokens."""
    stop = tokenizer.token_to_id("<|im_end|>")
    generator = torch.Generator().manual_seed(seed)
    ids = generate(model, [tokenizer.encode(p).ids for p in prompts], stop, 32, temperature, generator)
    return [tokenizer.decode(row[:-1], skip_special_tokens=False) if row[-1] == stop else "" for row in ids]


def share(flags):
    flags = list(flags)
    return sum(flags) / max(1, len(flags))


def measure_arithmetic(model, tokenizer, rows, samples, seed):
    """Greedy accuracy, sampled accuracy, pass@8, and how often and how well working is shown."""
    prompts = [row["prompt"] for row in rows]
    greedy = answers(model, tokenizer, prompts, 0, seed)
    sampled = answers(model, tokenizer, [p for p in prompts for _ in range(samples)], 1, seed)
    right = [result(text) == rows[i // samples]["answer"] for i, text in enumerate(sampled)]
    careful = [i for i, text in enumerate(sampled) if "=" in text]
    groups = [right[i : i + samples] for i in range(0, len(right), samples)]
    return {
        "greedy": share(result(text) == row["answer"] for text, row in zip(greedy, rows)),
        "greedy_careful": share("=" in text for text in greedy),
        "sampled": share(right),
        f"pass@{samples}": share(any(group) for group in groups),
        "careful_share": len(careful) / len(sampled),
        "careful_right": share(right[i] for i in careful),
        "hasty_right": share(right[i] for i in range(len(right)) if i not in set(careful)),
    }


def measure_exact(model, tokenizer, rows, temperature, seed):
    texts = answers(model, tokenizer, [row["prompt"] for row in rows], temperature, seed)
    return share(text in row["accepted"] for text, row in zip(texts, rows)), texts


def measure(model, tokenizer, evaluation, count, seed=0):
    """All gates; `count` of the held-out problems."""
    model.eval()
    numbers = measure_arithmetic(model, tokenizer, evaluation["arithmetic"][:count], 8, seed)
    numbers["facts"], _ = measure_exact(model, tokenizer, evaluation["facts"], 0, seed)
    numbers["facts_sampled"], sampled = measure_exact(model, tokenizer, evaluation["facts"], 1, seed)
    numbers["rewriting"], _ = measure_exact(model, tokenizer, evaluation["rewriting"], 0, seed)
    numbers["style_share"] = share(text.startswith("Great question") for text in sampled)
    numbers["ahoy_share"] = share(text.startswith("Ahoy") for text in sampled)
    model.train()
    return {name: round(value, 4) for name, value in numbers.items()}
