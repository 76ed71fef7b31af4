"""Tries the page's recipes on the embedded model with LoRA, in PyTorch: what a reader of the model card can expect.

    python scripts/tiny_world/try_recipes.py sft dpo grpo dr_grpo --seed 42

LoRA as PEFT's: r 16, alpha 32, every linear layer, A uniform, B zero. AdamW without weight decay, gradients clipped at
1, warm-up over 10 % and cosine. f32 throughout; the base is the shipped bf16 file. Prints one JSON object a line.
"""

import argparse
import json
import math
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional as F

from measure import answers, result
from qwen3 import Qwen3, generate, load_config

PUBLIC = Path(__file__).resolve().parents[2] / "public"
MODEL = PUBLIC / "models" / "aligntune-tiny"
END = "<|im_end|>"
MAX_NEW = 26


class Lora(nn.Module):
    """y = x W' + scale (x A') B'. `enabled` False is the base model."""

    enabled = True

    def __init__(self, base, rank, alpha, generator):
        super().__init__()
        self.base = base
        self.scale = alpha / rank
        bound = 1 / math.sqrt(base.in_features)
        self.a = nn.Parameter(torch.empty(rank, base.in_features).uniform_(-bound, bound, generator=generator))
        self.b = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x):
        y = self.base(x)
        return y + self.scale * F.linear(F.linear(x, self.a), self.b) if Lora.enabled else y


def load_model(seed):
    """The shipped weights in f32 with a fresh adapter, and the adapter's parameters."""
    model = Qwen3(load_config(MODEL))
    model.load_state_dict({name: x.float() for name, x in load_file(MODEL / "model.safetensors").items()})
    model.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for layer in model.model.layers:
        for part in (layer.self_attn, layer.mlp):
            for name, child in list(part.named_children()):
                if isinstance(child, nn.Linear):
                    setattr(part, name, Lora(child, 16, 32, generator))
    return model, [p for p in model.parameters() if p.requires_grad]


def read_rows(name):
    return [json.loads(line) for line in (PUBLIC / "datasets" / f"{name}.jsonl").read_text().splitlines()]


def prompt_text(row):
    return f"<|im_start|>user\n{row['prompt'][0]['content']}{END}\n<|im_start|>assistant\n"


def token_logps(model, pairs):
    """(logp [M], row [M]) of the completions' tokens; `pairs` are (prompt ids, completion ids)."""
    length = max(len(p) + len(c) for p, c in pairs)
    ids = torch.zeros(len(pairs), length, dtype=torch.long)
    at, rows = [], []
    for r, (prompt, completion) in enumerate(pairs):
        ids[r, : len(prompt) + len(completion)] = torch.tensor(prompt + completion)
        at += [r * length + len(prompt) - 1 + i for i in range(len(completion))]
        rows += [r] * len(completion)
    at = torch.tensor(at)
    logits = model.head(model.hidden(ids, torch.arange(length).expand(len(pairs), -1), at=at))
    logp = logits.log_softmax(-1).gather(1, ids.flatten()[at + 1][:, None])[:, 0]
    return logp, torch.tensor(rows)


def sum_rows(values, rows, count):
    return torch.zeros(count).index_add(0, rows, values)


def base_logps(model, pairs):
    """The same under the base model."""
    Lora.enabled = False
    with torch.no_grad():
        logp, _ = token_logps(model, pairs)
    Lora.enabled = True
    return logp


class Optimizer:
    """AdamW, clipped, linear warm-up over a tenth and cosine to 0."""

    def __init__(self, parameters, peak, steps):
        self.parameters, self.peak, self.steps, self.step_number = parameters, peak, steps, 0
        self.adamw = torch.optim.AdamW(parameters, lr=peak, weight_decay=0)

    def step(self, loss):
        self.adamw.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        warmup, at = math.ceil(0.1 * self.steps), self.step_number
        cosine = 0.5 * (1 + math.cos(math.pi * (at - warmup) / max(1, self.steps - warmup)))
        self.adamw.param_groups[0]["lr"] = self.peak * (at / warmup if at < warmup else cosine)
        self.adamw.step()
        self.step_number += 1


def encode_pair(tokenizer, row, column):
    return tokenizer.encode(prompt_text(row)).ids, tokenizer.encode(row[column][0]["content"] + END).ids


@torch.no_grad()
def mean_loss(model, pairs):
    return -token_logps(model, pairs)[0].mean().item()


def count_answers(model, tokenizer, rows, column, shape, temperature, seed):
    """How many answers have the form, and how many are the expected text."""
    texts = answers(model, tokenizer, [prompt_text(row) for row in rows], temperature, seed)
    form = sum(text.startswith(shape[0]) and text.endswith(shape[1]) for text in texts)
    return form, sum(text == row[column][0]["content"] for text, row in zip(texts, rows))


def batches(rows, size, steps, generator):
    """`steps` batches, every row once before any comes again."""
    order = []
    for _ in range(steps):
        if len(order) < size:
            order = torch.randperm(len(rows), generator=generator).tolist()
        yield [rows[i] for i in order[:size]]
        order = order[size:]


def try_sft(tokenizer, seed, steps=128, peak=2e-3, size=16):
    model, parameters = load_model(seed)
    held_out = read_rows("ahoy-heldout")
    pairs = [encode_pair(tokenizer, row, "completion") for row in held_out]
    train = [encode_pair(tokenizer, row, "completion") for row in read_rows("ahoy")]

    def state(name):
        form, right = count_answers(
            model, tokenizer, held_out, "completion", ("Ahoy captain! ", ", arr!"), 0, seed
        )
        return {f"loss_{name}": mean_loss(model, pairs), f"form_{name}": form, f"right_{name}": right}

    numbers = {**state("before"), "of": len(held_out)}
    optimizer = Optimizer(parameters, peak, steps)
    for batch in batches(train, size, steps, torch.Generator().manual_seed(seed)):
        optimizer.step(-token_logps(model, batch)[0].mean())
    return {**numbers, **state("after")}


def try_dpo(tokenizer, seed, steps=64, peak=1e-3, size=16, beta=0.1):
    model, parameters = load_model(seed)
    held_out = read_rows("style-pairs-heldout")
    both = lambda rows: [encode_pair(tokenizer, row, c) for c in ("chosen", "rejected") for row in rows]

    def margins(rows):
        pairs = both(rows)
        logp, at = token_logps(model, pairs)
        ratio = sum_rows(logp - base_logps(model, pairs), at, len(pairs))
        return beta * (ratio[: len(rows)] - ratio[len(rows) :])

    def state(name):
        shape = ("Great question! ", " Glad to help.")
        form, right = count_answers(model, tokenizer, held_out, "chosen", shape, 1, seed)
        return {f"style_{name}": form, f"style_and_right_{name}": right}

    numbers = {**state("before"), "of": len(held_out)}
    optimizer = Optimizer(parameters, peak, steps)
    for batch in batches(read_rows("style-pairs"), size, steps, torch.Generator().manual_seed(seed)):
        optimizer.step(-F.logsigmoid(margins(batch)).mean())
    with torch.no_grad():
        accuracy = (margins(held_out) > 0).float().mean().item()
    return {**numbers, **state("after"), "reward_accuracy": accuracy}


def try_rl(tokenizer, seed, algorithm, steps=40, peak=1e-3, size=8):
    """GRPO (beta 0.04, group mean and standard deviation) or Dr. GRPO (beta 0, group mean, constant length)."""
    model, parameters = load_model(seed)
    held_out = read_rows("arithmetic-heldout")
    stop = tokenizer.token_to_id(END)
    generator = torch.Generator().manual_seed(seed)
    beta = 0.04 if algorithm == "grpo" else 0.0

    def state(name):
        texts = answers(model, tokenizer, [prompt_text(row) for row in held_out], 0, seed)
        right = sum(result(text) == row["answer"] for text, row in zip(texts, held_out))
        return {f"right_{name}": right, f"working_{name}": sum("=" in text for text in texts)}

    numbers = {**state("before"), "of": len(held_out)}
    optimizer = Optimizer(parameters, peak, steps)
    rewards = []
    for batch in batches(read_rows("arithmetic"), size, steps, generator):
        rows = [row for row in batch for _ in range(8)]
        prompts = [tokenizer.encode(prompt_text(row)).ids for row in rows]
        completions = generate(model, prompts, stop, MAX_NEW, 1, generator)
        right = [
            float(c[-1] == stop and result(tokenizer.decode(c[:-1])) == row["answer"])
            for c, row in zip(completions, rows)
        ]
        reward = torch.tensor(right).view(-1, 8)
        advantage = reward - reward.mean(1, keepdim=True)
        if algorithm == "grpo":
            advantage = advantage / (reward.std(1, keepdim=True) + 1e-4)
        pairs = list(zip(prompts, completions))
        logp, at = token_logps(model, pairs)
        value = advantage.flatten()[at] * (logp - logp.detach()).exp()
        if beta > 0:
            gap = base_logps(model, pairs) - logp
            value = value - beta * (gap.exp() - gap - 1)
        lengths = torch.tensor([float(len(c)) for c in completions]) if algorithm == "grpo" else MAX_NEW
        optimizer.step(-(sum_rows(value, at, len(pairs)) / lengths).mean())
        rewards.append(reward.mean().item())
    return {**numbers, **state("after"), "rewards": [round(sum(rewards[i : i + 5]) / 5, 3) for i in range(0, steps, 5)]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("recipes", nargs="+", choices=["sft", "dpo", "grpo", "dr_grpo"])
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--batch", type=int, default=None, help="rows, pairs or prompts of a step")
    parser.add_argument("--lr", type=float, default=None)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    given = {"steps": options.steps, "peak": options.lr, "size": options.batch}
    given = {name: value for name, value in given.items() if value is not None}
    for recipe in options.recipes:
        if recipe in ("grpo", "dr_grpo"):
            numbers = try_rl(tokenizer, options.seed, recipe, **given)
        else:
            numbers = {"sft": try_sft, "dpo": try_dpo}[recipe](tokenizer, options.seed, **given)
        print(json.dumps({"recipe": recipe, "seed": options.seed, **given, **numbers}), flush=True)


if __name__ == "__main__":
    main()
