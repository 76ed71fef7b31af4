"""Trains one step of supervised fine-tuning with our command line and with transformers and peft, and compares them.

    python scripts/check_transformers.py MODEL OUT [--cli COMMAND] [--rows N] [--tokens N] [--rank N]

Needs torch, transformers, peft, safetensors. MODEL is a model folder with a tokenizer, such as
`npm run make-random-model -- MODEL --shape smollm2-135m` writes; OUT gets the rows and our run. Both compute in f32 on the
stored weights, a fresh LoRA adapter on every linear layer. The first step does not move A, because B is zero, so that the
adapter which our run saves tells with which A it began. Prints one line of JSON: loss, norm of the gradients, and B after
the step, ours and theirs.
"""

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = Path(__file__).resolve().parent.parent
WORDS = "Tom likes bread and Ivy is blue . 7 plus 5 is 12 , Pam lives in Lima , which food does Ann like ?".split()
LEARNING_RATE = 1e-3


def rows(tokenizer, count: int, tokens: int) -> list[tuple[str, list[int]]]:
    """Texts of about the wanted length that differ, and their ids with the end token, as TRL reads a `text` column."""
    found = []
    for row in range(count):
        words: list[str] = []
        while len(tokenizer(" ".join(words), add_special_tokens=False).input_ids) < tokens - 3 - row:
            words.append(WORDS[(7 * len(words) + 3 * row + len(words) // 5) % len(WORDS)])
        text = " ".join(words)
        ids = tokenizer(text, add_special_tokens=False).input_ids
        found.append((text, [*ids, tokenizer.eos_token_id]))
    return found


def train_ours(cli: list[str], model: Path, out: Path, rank: int, count: int, longest: int) -> dict:
    settings = {
        **dict(algorithm="sft", model_name=model, dataset_name=out / "rows.jsonl", max_steps=1, batch_size=count),
        **dict(lora_rank=rank, lora_alpha=2 * rank, learning_rate=LEARNING_RATE, lr_scheduler="constant"),
        **dict(warmup_ratio=0, max_seq_length=longest, sample_every=0, logging_steps=1, save_strategy="no"),
    }
    sets = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    started = time.monotonic()
    ended = subprocess.run(
        [*cli, "train", "--json", "--output", str(out / "run"), *sets], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    if ended.returncode != 0:
        sys.exit(f"our run failed\n{ended.stdout}")
    steps = [json.loads(line) for line in ended.stdout.splitlines()]
    step = next(line for line in steps if "loss" in line)
    return {**step, "seconds": time.monotonic() - started}


def train_theirs(model: Path, batch: list[list[int]], adapter: dict, rank: int) -> dict:
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, attn_implementation="eager")
    peft = get_peft_model(base, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM"))
    parameters = {name.replace(".default.", "."): p for name, p in peft.named_parameters() if p.requires_grad}
    assert parameters.keys() == adapter.keys(), sorted(parameters.keys() ^ adapter.keys())[:4]
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(adapter[name] if ".lora_A." in name else torch.zeros_like(parameter))
    width = max(map(len, batch))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in batch])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in batch])
    loss = peft(input_ids=ids, attention_mask=mask, labels=torch.where(mask == 1, ids, -100)).loss
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
    torch.optim.AdamW(parameters.values(), lr=LEARNING_RATE, weight_decay=0).step()
    moved = {name: parameter.detach() for name, parameter in parameters.items()}
    return {"loss": loss.item(), "grad_norm": norm.item(), "adapter": moved}


def relative(ours: float, theirs: float) -> float:
    return abs(ours - theirs) / abs(theirs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=lambda path: Path(path).resolve())
    parser.add_argument("out", type=lambda path: Path(path).resolve())
    parser.add_argument("--cli", default=f"node {ROOT}/scripts/run_node.mjs cli", type=shlex.split)
    parser.add_argument("--rows", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument("--rank", type=int, default=16)
    args = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    made = rows(tokenizer, args.rows, args.tokens)
    shutil.rmtree(args.out, ignore_errors=True)
    args.out.mkdir(parents=True)
    (args.out / "rows.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text, _ in made))
    ours = train_ours(args.cli, args.model, args.out, args.rank, args.rows, args.tokens)
    adapter = load_file(args.out / "run/adapter_model.safetensors")
    theirs = train_theirs(args.model, [ids for _, ids in made], adapter, args.rank)
    names = [name for name in adapter if ".lora_B." in name]
    difference = sum((adapter[name] - theirs["adapter"][name]).square().sum() for name in names).sqrt()
    size = sum(theirs["adapter"][name].square().sum() for name in names).sqrt()
    report = {
        "tokens": sum(len(ids) for _, ids in made),
        "loss": [ours["loss"], theirs["loss"], relative(ours["loss"], theirs["loss"])],
        "grad_norm": [ours["grad_norm"], theirs["grad_norm"], relative(ours["grad_norm"], theirs["grad_norm"])],
        "B after the step, relative": (difference / size).item(),
        "our seconds": round(ours["seconds"], 1),
        "versions": {name: version(name) for name in ["torch", "transformers", "peft"]},
    }
    print(json.dumps(report))
    if max(report["loss"][2], report["grad_norm"][2]) > 1e-3:
        sys.exit("ours and theirs differ")


if __name__ == "__main__":
    main()
