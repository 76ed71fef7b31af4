"""Loads what `aligntune train` writes with Python's own tools, and writes the logits that they compute as golden cases.

    python scripts/check_peft.py OUT [--cli COMMAND]

Needs torch, transformers, peft, safetensors and pyyaml. For a random tiny Qwen3, Gemma 3 and GPT-2 (Conv1D, whose
adapters have fan_in_fan_out) and for the embedded model it trains a few steps with our command line, an adapter and all
weights, and then checks that

- adapter_config.json and adapter_model.safetensors load in PEFT, with no key missing or left over;
- model.safetensors of full fine-tuning loads in transformers, with no key missing or left over;
- the merged model that `export --merged` writes loads there too, and its logits are those of base and adapter in PEFT, up to
  the rounding of its type;
- the GGUF that `export --gguf` writes reads back with llama.cpp's own reader, when the package gguf is there;
- trainer_state.json and training_config.yaml read back, and the snippet of README.md runs as it stands.

OUT gets cases/forward-NAME for `npm run parity -- OUT`, with logits in float64 arithmetic.
"""

import argparse
import json
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import torch
import transformers
import yaml
from peft import PeftConfig, PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, Gemma3TextConfig, GPT2Config, Qwen3Config

ROOT = Path(__file__).resolve().parent.parent
EMBEDDED = ROOT / "public/models/aligntune-tiny"
TOKENIZER = ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"]
PROMPTS = ["Which food does Tom like?", "Ivy is blue.", "7 plus 5 is 12, and Pam lives in Lima."]
PACKAGES = ["torch", "transformers", "peft", "safetensors"]

# From this the base's own numbers and the adapter's are far from zero.
STEPS = ["max_steps=3", "batch_size=4", "learning_rate=0.02", "lr_scheduler=constant", "sample_every=0"]


def base_models(out: Path) -> dict[str, Path]:
    """Random models with the embedded tokenizer, and the embedded model itself."""
    sizes = dict(vocab_size=1024, bos_token_id=None, eos_token_id=1011, pad_token_id=1009, initializer_range=0.2)
    qwen3 = Qwen3Config(
        **sizes,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=256,
        tie_word_embeddings=True,
    )
    gpt2 = GPT2Config(**sizes, n_embd=32, n_layer=2, n_head=4, n_positions=256)
    gemma3 = Gemma3TextConfig(
        **sizes,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        query_pre_attn_scalar=16,
        max_position_embeddings=256,
        sliding_window=8,
        layer_types=["sliding_attention", "full_attention"],
    )
    folders = {}
    for name, config in [("peft-qwen3", qwen3), ("peft-gpt2", gpt2), ("peft-gemma3", gemma3)]:
        torch.manual_seed(0)
        folder = out / "models" / name
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
        for file in TOKENIZER:
            shutil.copy(EMBEDDED / file, folder / file)
        folders[name] = folder
    embedded = out / "models" / EMBEDDED.name
    shutil.copytree(EMBEDDED, embedded, dirs_exist_ok=True)
    return {**folders, EMBEDDED.name: embedded}


def train(cli: list[str], base: Path, out: Path, *settings: str) -> None:
    shutil.rmtree(out, ignore_errors=True)
    sets = [f"model_name={base}", *STEPS, *settings]
    subprocess.run(
        [*cli, "train", "--recipe", "demo-sft", "--output", str(out), *(word for s in sets for word in ("--set", s))],
        check=True,
        cwd=ROOT,
    )


def load_strictly(folder: Path):
    model, info = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    wrong = {key: value for key, value in info.items() if value}
    assert not wrong, f"{folder}: {wrong}"
    return model


def load_adapter(base: Path, folder: Path):
    """PEFT's own loading; it warns of missing keys and drops unknown ones, so they are counted here."""
    config = PeftConfig.from_pretrained(folder)
    assert config.peft_type == "LORA" and config.task_type == "CAUSAL_LM", config
    model = PeftModel.from_pretrained(load_strictly(base), folder)
    inside = {k.replace(".default.", "."): v for k, v in model.state_dict().items() if ".lora_" in k}
    file = load_file(folder / "adapter_model.safetensors")
    assert inside.keys() == file.keys(), sorted(inside.keys() ^ file.keys())
    assert all(torch.equal(inside[k], file[k]) for k in file)
    assert any(file[k].abs().max() > 0 for k in file if ".lora_B." in k), "the adapter has learned nothing"
    return model


def padded_prompts():
    tokenizer = transformers.AutoTokenizer.from_pretrained(EMBEDDED)
    rows = [tokenizer(text, add_special_tokens=False).input_ids for text in PROMPTS]
    width = max(map(len, rows))
    ids = torch.tensor([row + [1009] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return ids, mask


def write_case(out: Path, name: str, model, source: dict) -> float:
    """The logits of three texts, padded right; returns how far they are from the base's."""
    ids, mask = padded_prompts()
    with torch.no_grad():
        logits = model.double()(input_ids=ids, attention_mask=mask).logits * mask[:, :, None]
    folder = out / "cases" / name
    folder.mkdir(parents=True, exist_ok=True)
    save_file({"input_ids": ids.int(), "attention_mask": mask.int()}, folder / "inputs.safetensors")
    save_file({"logits": logits.float().contiguous()}, folder / "expected.safetensors")
    params = {"made_by": "scripts/check_peft.py", "versions": {name: version(name) for name in PACKAGES}}
    case = {"kind": "forward", **source, "params": params, "expected": {}}
    (folder / "case.json").write_text(json.dumps(case, indent=1) + "\n")
    return logits


def check_merged(cli: list[str], adapter: Path, out: Path, logits, plain) -> None:
    """Loads the merged model in f32 and in bf16; prints how far its logits are from PEFT's, of how far the adapter moves them."""
    for dtype, bound in [("f32", 1e-5), ("bf16", 0.05)]:
        folder = out / f"{adapter.name}-{dtype}"
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([*cli, "export", str(adapter), "--merged", "--dtype", dtype, "--output", str(folder)], check=True, cwd=ROOT)
        stored = load_file(folder / "model.safetensors")
        assert {t.dtype for t in stored.values()} == {torch.float32 if dtype == "f32" else torch.bfloat16}
        ids, mask = padded_prompts()
        with torch.no_grad():
            merged = load_strictly(folder).double()(input_ids=ids, attention_mask=mask).logits * mask[:, :, None]
        error = ((merged - logits).norm() / logits.norm()).item()
        print(f"  merged {dtype}: logits off by {error:.2e}; the adapter moves them by {((logits - plain).norm() / plain.norm()).item():.2e}")
        assert error < bound, error
        snippet = (folder / "README.md").read_text().split("```python\n")[1].split("```")[0]
        subprocess.run([sys.executable, "-W", "ignore", "-c", snippet], check=True, cwd=folder, stdout=subprocess.DEVNULL)


def check_gguf(cli: list[str], adapter: Path, out: Path) -> None:
    """Every tensor as llama.cpp's own reader has it, against PEFT's file; the order of Llama's heads is in the unit tests."""
    try:
        from gguf import GGUFReader
    except ImportError:
        return print("  gguf is not installed: not checked")
    file = out / f"{adapter.name}.gguf"
    file.unlink(missing_ok=True)
    subprocess.run([*cli, "export", str(adapter), "--gguf", "--output", str(file)], check=True, cwd=ROOT)
    reader = GGUFReader(file)
    config = json.loads((adapter / "adapter_config.json").read_text())
    assert reader.get_field("general.type").contents() == "adapter"
    assert reader.get_field("adapter.type").contents() == "lora"
    alpha = config["lora_alpha"] * (config["r"] ** 0.5 if config["use_rslora"] else 1)
    assert abs(reader.get_field("adapter.lora.alpha").contents() - alpha) < 1e-5
    names = {
        **{"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output", "c_attn": "attn_qkv"},
        **{"gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down", "c_fc": "ffn_up"},
    }
    expected = {}
    for key, value in load_file(adapter / "adapter_model.safetensors").items():
        parts = key.removeprefix("base_model.model.").split(".")
        name = {"attn": "attn_output", "mlp": "ffn_down"}[parts[3]] if parts[4] == "c_proj" else names[parts[4]]
        expected[f"blk.{parts[2]}.{name}.weight.{parts[5].lower()}"] = value.numpy()
    found = {tensor.name: tensor.data for tensor in reader.tensors}
    assert found.keys() == expected.keys(), sorted(found.keys() ^ expected.keys())
    assert all((found[key] == expected[key]).all() for key in expected)
    print(f"  gguf: {len(found)} tensors of {reader.get_field('general.architecture').contents()} read back")


def check_records(folder: Path) -> None:
    """The run's records read back, and README.md's program runs."""
    state = json.loads((folder / "trainer_state.json").read_text())
    assert state["global_step"] == 3 and len(state["log_history"]) >= 3, state
    transformers.TrainerState.load_from_json(str(folder / "trainer_state.json"))
    config = yaml.safe_load((folder / "training_config.yaml").read_text())
    types = {"learning_rate": float, "max_steps": int, "peft_enabled": bool, "model_name": str, "packing": bool}
    wrong = {key: config.get(key) for key, kind in types.items() if not isinstance(config.get(key), kind)}
    assert not wrong, wrong
    readme = (folder / "README.md").read_text()
    snippet = readme.split("```python\n")[1].split("```")[0]
    assert isinstance(yaml.safe_load(readme.split("---")[1]), dict)
    subprocess.run([sys.executable, "-W", "ignore", "-c", snippet], check=True, cwd=folder, stdout=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=lambda path: Path(path).resolve())
    parser.add_argument("--cli", default=f"node {ROOT}/scripts/run_node.mjs cli", type=shlex.split)
    args = parser.parse_args()
    out: Path = args.out
    for name, base in base_models(out).items():
        model_in_case = f"models/{name}"
        adapter = out / "adapters" / name
        train(args.cli, base, adapter)
        with_adapter = load_adapter(base, adapter)
        logits = write_case(out, f"forward-{name}-adapter", with_adapter, {"model": model_in_case, "adapter": f"adapters/{name}"})
        with torch.no_grad(), with_adapter.disable_adapter():
            plain = write_case(out, f"forward-{name}-base", with_adapter, {"model": model_in_case, "adapter": None})
        moved = ((logits - plain).norm() / plain.norm()).item()
        check_records(adapter)
        check_merged(args.cli, adapter, out / "merged", logits, plain)
        check_gguf(args.cli, adapter, out / "merged")

        full = out / "models" / f"{name}-full"
        train(args.cli, base, full, "peft_enabled=false", "learning_rate=0.001")
        write_case(out, f"forward-{name}-full", load_strictly(full), {"model": f"models/{name}-full", "adapter": None})
        check_records(full)
        print(f"{name}: adapter, full model, card and records load; the adapter moves the logits by {moved:.3f}")


if __name__ == "__main__":
    main()
