"""Goes on with a run of AlignTune in the browser, with TRL: on one GPU, or on many with `accelerate launch train.py`.

The model, the rows as they were trained on, the settings, the seed and the rewards are those of the run; settings.py has
them in TRL's words. It begins with the weights of adapter/ and a fresh optimizer.
"""

import argparse
import json
import pathlib

import settings
import torch
from accelerate import PartialState
from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, EarlyStoppingCallback, set_seed

HERE = pathlib.Path(__file__).resolve().parent


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", default="output", help="where checkpoints and the adapter go")
    # A run that trained every weight brings its model along, wherever this is started from.
    base = settings.MODEL if settings.LORA is not None else str(HERE / "model")
    parser.add_argument("--model", default=base, help="the base model: a name of the hub, or a folder")
    parser.add_argument("--max-steps", type=int, help="ends after this many optimizer steps")
    parser.add_argument("--from-base", action="store_true", help="begins with a fresh adapter, not with adapter/")
    return parser.parse_args()


def batch_sizes(per_step, accumulation):
    """The same examples a step on any number of processes: they share a micro-batch, or, where it is too small, the step."""
    world = PartialState().num_processes
    if per_step % world == 0:
        return per_step // world, accumulation
    if (per_step * accumulation) % world == 0:
        total = per_step * accumulation // world
        size = max(n for n in range(1, per_step + 1) if total % n == 0)
        return size, total // size
    raise SystemExit(f"{per_step * accumulation} examples a step cannot be shared by {world} processes; take another number.")


def load_model(name):
    gpu = torch.cuda.is_available()
    options = {"dtype": "auto" if gpu else torch.float32}
    if settings.REVISION is not None and not pathlib.Path(name).exists():
        options["revision"] = settings.REVISION
    if settings.LOAD_IN_4BIT:
        if not gpu:
            print("load_in_4bit is left out: bitsandbytes wants a GPU")
        else:
            options["quantization_config"] = BitsAndBytesConfig(
                load_in_4bit=True,
                bnb_4bit_quant_type="nf4",
                bnb_4bit_use_double_quant=True,
                bnb_4bit_compute_dtype=torch.bfloat16,
            )
    return AutoModelForCausalLM.from_pretrained(name, **options)


def with_adapter(model, from_base):
    """The run's adapter, to be trained on; or a fresh one of the same kind; or, with full fine-tuning, neither."""
    from peft import LoraConfig, PeftModel, get_peft_model

    if settings.LORA is None:
        return model
    if from_base:
        return get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **settings.LORA))
    return PeftModel.from_pretrained(model, HERE / "adapter", is_trainable=True)


def load_tokenizer(name):
    folder = HERE / "adapter"
    own = (folder / "tokenizer.json").exists()
    tokenizer = AutoTokenizer.from_pretrained(folder if own else name)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_rows(name):
    file = HERE / "data" / f"{name}.jsonl"
    if not file.exists():
        return None
    return load_dataset("json", data_files=str(file), split="train")


def trainer_for(model, tokenizer, train, held_out, given):
    common = {
        "model": model,
        "processing_class": tokenizer,
        "train_dataset": train,
        "eval_dataset": held_out,
    }
    if settings.TRAINER == "sft":
        from trl import SFTConfig, SFTTrainer

        return SFTTrainer(args=SFTConfig(**given), **common)
    if settings.TRAINER == "dpo":
        from trl import DPOConfig, DPOTrainer

        return DPOTrainer(args=DPOConfig(**given), **common)
    from rewards import reward_functions
    from trl import GRPOConfig, GRPOTrainer

    functions = reward_functions(settings.REWARDS, settings.ARGUMENTS["max_completion_length"])
    weights = [spec["weight"] for spec in settings.REWARDS]
    return GRPOTrainer(reward_funcs=functions, args=GRPOConfig(reward_weights=weights, **given), **common)


def main():
    chosen = arguments()
    given = dict(settings.ARGUMENTS)
    size, accumulation = batch_sizes(given.pop("batch_size"), given["gradient_accumulation_steps"])
    held_out = load_rows("validation")
    if held_out is None:
        given["eval_strategy"] = "no"
    given |= {
        "output_dir": chosen.output,
        "per_device_train_batch_size": size,
        "gradient_accumulation_steps": accumulation,
        "bf16": torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
        "report_to": "none",
    }
    if settings.TRAINER == "grpo":
        # A rollout has as many completions as in the run, whatever number of processes shares it.
        rollout = settings.ARGUMENTS["batch_size"] * settings.ARGUMENTS["steps_per_generation"]
        given["steps_per_generation"] = rollout // (size * PartialState().num_processes)
    if chosen.max_steps is not None:
        given["max_steps"] = chosen.max_steps
    set_seed(given["seed"])
    model = with_adapter(load_model(chosen.model), chosen.from_base)
    trainer = trainer_for(model, load_tokenizer(chosen.model), load_rows("train"), held_out, given)
    if settings.EARLY_STOPPING is not None and held_out is not None:
        patience, threshold = settings.EARLY_STOPPING["patience"], settings.EARLY_STOPPING["threshold"]
        trainer.add_callback(EarlyStoppingCallback(patience, threshold))
    trainer.train()
    trainer.save_model(chosen.output)
    if PartialState().is_main_process:
        log = pathlib.Path(chosen.output) / "log_history.json"
        log.write_text(json.dumps(trainer.state.log_history, indent=1))


if __name__ == "__main__":
    main()
