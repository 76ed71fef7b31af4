"""Pretrains the embedded model from random initialisation on a CPU.

    node scripts/tiny_world/make_corpus.mjs --output DIR
    python scripts/tiny_world/pretrain.py --data DIR
    python scripts/tiny_world/pretrain.py --data DIR --write public/models/aligntune-tiny/model.safetensors

Loss on the answer and <|im_end|> only, summed and divided by a constant: a mean over each batch's answer tokens would
weigh short answers more. Documents are packed into rows of ROW tokens; a document sees only itself. Run again with the
same --data to resume from the last checkpoint. --write PATH writes the checkpoint as bf16 safetensors, measures it as
written, and stops. Needs torch, numpy, safetensors and tokenizers.
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch.nn import functional as F

from measure import measure
from qwen3 import Qwen3, load_config

MODEL = Path(__file__).resolve().parents[2] / "public" / "models" / "aligntune-tiny"
SEED = 20240611
ROW = 80
DOCUMENTS = 64
DIVISOR = 640.0
WARMUP = 100


class Corpus:
    """Documents of make_corpus.mjs, read in order."""

    def __init__(self, path):
        self.numbers = np.fromfile(path, dtype=np.uint16)
        starts, at = [], 0
        while at < len(self.numbers):
            starts.append(at)
            at += 3 + int(self.numbers[at])
        self.starts = starts

    def __len__(self):
        return len(self.starts)

    def document(self, index):
        """(token ids, position of the first answer token)"""
        at = self.starts[index]
        length, answer = int(self.numbers[at]), int(self.numbers[at + 1])
        return self.numbers[at + 3 : at + 3 + length], answer


def pack(documents):
    """Rows of ROW tokens, first fit by falling length: ids, positions, document number (-1: none), loss mask."""
    rows = []
    for document in sorted(documents, key=lambda d: -len(d[0])):
        row = next((r for r in rows if sum(len(d[0]) for d in r) + len(document[0]) <= ROW), None)
        if row is None:
            rows.append([document])
        else:
            row.append(document)
    shape = (len(rows), ROW)
    ids, positions = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    owner, learned = np.full(shape, -1, np.int64), np.zeros(shape, bool)
    for r, row in enumerate(rows):
        at = 0
        for d, (tokens, answer) in enumerate(row):
            end = at + len(tokens)
            ids[r, at:end], positions[r, at:end], owner[r, at:end] = tokens, np.arange(len(tokens)), d
            learned[r, at + answer - 1 : end - 1] = True
            at = end
    return [torch.from_numpy(x) for x in (ids, positions, owner, learned)]


def loss_of(model, ids, positions, owner, learned, half=False):
    """Sum of the answer tokens' losses over DIVISOR. `half`: matrix products in bf16, all else in f32."""
    same = owner[:, :, None] == owner[:, None, :]
    causal = torch.ones(ROW, ROW, dtype=torch.bool).tril()
    mask = torch.zeros(same.shape).masked_fill(~(same & causal), -1e30)[:, None]
    at = learned.flatten().nonzero()[:, 0]
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        logits = model.head(model.hidden(ids, positions, mask, at=at))
    return F.cross_entropy(logits.float(), ids.flatten()[at + 1], reduction="sum") / DIVISOR, len(at)


def rate(step, steps, decay, peak):
    """Linear warm-up, the peak, and over the last `decay` steps a half cosine to 2 % of it."""
    if step < WARMUP:
        return peak * (step + 1) / WARMUP
    share = max(0.0, (step - (steps - decay)) / decay)
    return peak * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, share))))


def write_weights(model, path):
    """bf16, with the names of the Hugging Face checkpoint."""
    tensors = {name: p.detach().to(torch.bfloat16).contiguous() for name, p in model.named_parameters()}
    save_file(tensors, path, metadata={"format": "pt"})


def round_to_bf16(model):
    """The model as it will be read back."""
    copy = Qwen3(model.config)
    copy.load_state_dict({name: p.to(torch.bfloat16).float() for name, p in model.state_dict().items()})
    return copy


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=5600)
    parser.add_argument("--decay", type=int, default=2100, help="last steps, with falling learning rate")
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--every", type=int, default=300, help="steps between checkpoints and measurements")
    parser.add_argument("--limit", type=int, default=None, help="stop after this step of the schedule")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", type=Path, default=None, help="write the last checkpoint here and stop")
    parser.add_argument("--half", type=int, default=4700, help="first steps, with bf16 matrix products")
    return parser.parse_args()


def main():
    options = parse()
    torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    evaluation = json.loads((options.data / "evaluation.json").read_text())
    tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    model = Qwen3(load_config(MODEL))
    model.initialise(SEED)
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    checkpoint = options.data / "checkpoint.pt"
    step = tokens = 0
    if checkpoint.exists():
        state = torch.load(checkpoint)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step, tokens = state["step"], state["tokens"]
    if options.write:
        write_weights(model, options.write)
        print(json.dumps({"step": step, "tokens": tokens, **measure(round_to_bf16(model), tokenizer, evaluation, 200)}))
        return

    corpus = Corpus(options.data / "corpus.bin")
    if len(corpus) < options.steps * DOCUMENTS:
        raise SystemExit(f"{len(corpus)} documents are too few for {options.steps} steps of {DOCUMENTS}.")
    log = (options.data / "log.jsonl").open("a")
    total, seen, began = 0.0, 0, time.time()
    while step < min(options.steps, options.limit or options.steps):
        batch = pack([corpus.document(step * DOCUMENTS + i) for i in range(DOCUMENTS)])
        loss, learned = loss_of(model, *batch, half=step < options.half)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate(step, options.steps, options.decay, options.lr)
        optimizer.step()
        step += 1
        tokens += int((batch[2] >= 0).sum())
        total, seen = total + loss.item() * DIVISOR, seen + learned
        if step % 50 == 0:
            speed = (time.time() - began) / 50
            line = {"step": step, "tokens": tokens, "loss": round(total / seen, 4), "seconds_a_step": round(speed, 4)}
            print(json.dumps(line), file=log, flush=True)
            total, seen, began = 0.0, 0, time.time()
        if step % options.every == 0 or step == options.steps:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "tokens": tokens}
            torch.save(state, checkpoint.with_suffix(".new"))
            checkpoint.with_suffix(".new").replace(checkpoint)
            numbers = measure(model, tokenizer, evaluation, 200 if step == options.steps else 64)
            print(json.dumps({"step": step, **numbers}), file=log, flush=True)
            began = time.time()


if __name__ == "__main__":
    main()
