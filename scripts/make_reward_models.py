"""Writes tiny random sequence classification models and the scores that transformers gives with them.

    python scripts/make_reward_models.py [OUT]

Needs torch, transformers and safetensors. OUT is test/golden/reward when it is left out. For each architecture it writes
OUT/NAME/config.json and model.safetensors as save_pretrained does, and into OUT/expected.json the token ids and the score of
each text, computed in float64, each alone. The tokenizer and its chat template are those of test/golden/trl/model.
"""

import json
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    Gemma3TextConfig,
    GPT2Config,
    Qwen3Config,
)

ROOT = Path(__file__).resolve().parent.parent
OUT = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "test/golden/reward"
SHARED = {"vocab_size": 380, "num_labels": 1, "pad_token_id": 0, "eos_token_id": 2, "bos_token_id": None}
SMALL = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "max_position_embeddings": 128,
}
CONFIGS = {
    "qwen3": Qwen3Config(**SHARED, **SMALL, tie_word_embeddings=False),
    "gemma3": Gemma3TextConfig(**SHARED, **SMALL, query_pre_attn_scalar=8, sliding_window=6,
                               layer_types=["sliding_attention", "full_attention"]),
    "gpt2": GPT2Config(**SHARED, n_embd=16, n_head=2, n_layer=2, n_positions=128),
}
# Conversations, plain texts, and one that ends with padding, which is not its last token to transformers.
TEXTS = [
    {"prompt": [{"role": "user", "content": "What is 2 + 3?"}], "completion": "It is 5."},
    {"prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who is Leo?"}],
     "completion": "A lion who lives by the river and sleeps all day."},
    {"prompt": [{"role": "user", "content": "Hi"}], "completion": ""},
    {"prompt": "The sky is", "completion": " blue."},
    {"prompt": "One two three", "completion": " four<pad><pad>"},
]


def ids_of(tokenizer, text):
    if isinstance(text["prompt"], str):
        return tokenizer(text["prompt"] + text["completion"])["input_ids"]
    answer = {"role": "assistant", "content": text["completion"]}
    return tokenizer.apply_chat_template([*text["prompt"], answer], tokenize=True, return_dict=True)["input_ids"]


def main():
    tokenizer = AutoTokenizer.from_pretrained(ROOT / "test/golden/trl/model")
    rows = [ids_of(tokenizer, text) for text in TEXTS]
    scores = {}
    for seed, (name, config) in enumerate(CONFIGS.items()):
        torch.manual_seed(seed)
        model = AutoModelForSequenceClassification.from_config(config, attn_implementation="eager")
        with torch.no_grad():
            for key, weight in model.named_parameters():
                if weight.ndim == 2 or "bias" in key:
                    weight.normal_(0, 0.3)
                else:
                    weight.add_(0.2 * torch.randn_like(weight))
            with tempfile.TemporaryDirectory() as folder:
                model.save_pretrained(folder)
                (OUT / name).mkdir(parents=True, exist_ok=True)
                for file in ("config.json", "model.safetensors"):
                    shutil.copyfile(Path(folder) / file, OUT / name / file)
            model = model.eval().double()
            scores[name] = [model(input_ids=torch.tensor([row])).logits.item() for row in rows]
    expected = {
        "made_by": "scripts/make_reward_models.py",
        "versions": {name: version(name) for name in ("torch", "transformers", "tokenizers", "safetensors")},
        "texts": [{**text, "ids": row} for text, row in zip(TEXTS, rows)],
        "scores": scores,
    }
    (OUT / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


main()
