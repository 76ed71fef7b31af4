/** What `--help` says of each command. Options are checked against COMMANDS in arguments.ts, not against this text. */
export const USAGE = `npm run aligntune -- COMMAND [options]

  train      fine-tune a model
  validate   check a configuration and show every value of it
  generate   answers of a model, with or without an adapter
  evaluate   loss, preferences or rewards on held-out rows
  export     the merged model of a run, or its adapter for llama.cpp
  upload     a run's result to the Hugging Face hub
  cluster    a run as a folder for TRL or AlignTune on other machines
  diagnose   what this machine's GPU is and allows
  recipes    the configurations that come with the program

Models and datasets are paths, names of what comes with the program, or ids of the Hugging Face hub such as Qwen/Qwen3-0.6B
and openai/gsm8k. Ids are looked for where huggingface_hub keeps downloads (HF_HUB_CACHE), then at HF_ENDPOINT
(https://huggingface.co by default) with HF_TOKEN. What is fetched is not kept: for a model that is used again, first run
\`hf download ID\`. HF_HUB_OFFLINE=1 asks no hub.

COMMAND --help tells more. --json prints one JSON object a line.
Exit codes: 0 done, 1 the run failed, 2 the input was refused, 130 interrupted and saved.`;

const CONFIGURATION = `  --config FILE        a YAML or JSON configuration; paths in it are relative to its folder
  --recipe NAME        a configuration that comes with the program
  --set KEY=VALUE      one setting, stronger than the file; may be repeated`;

export const COMMAND_USAGE: Readonly<Record<string, string>> = {
  train: `npm run aligntune -- train (--config FILE | --recipe NAME) [options]
npm run aligntune -- train --resume --output DIR [--set KEY=VALUE ...]

${CONFIGURATION}
  --output DIR         where the run goes; output_dir of the configuration by default
  --resume             continue the run in DIR from its last checkpoint
  --skip-bad-rows      go on without the rows that cannot be used
  --default-limits     use no more of the GPU's limits than WebGPU guarantees everywhere

Code that a configuration names (processing_fn, rewards of type custom) runs in a process of its own, with your rights: it can
read your files and use the network. Read it before you train with a configuration of somebody else. A call that takes too
long is ended. Such code is one file that imports nothing; Python has its standard library.

DIR gets the adapter in PEFT's format (or the whole model), README.md, training_config.yaml, trainer_state.json,
metrics.jsonl, samples.jsonl, and checkpoint-STEP folders; with rewards also rollouts.jsonl, which a run can be trained
on again (rollouts_path). Ctrl-C finishes the step, saves and exits with 130.`,
  validate: `npm run aligntune -- validate (--config FILE | --recipe NAME) [options]

${CONFIGURATION}
  --memory             also what the run would take of the GPU, part by part, and what would make it smaller where that is more
                       than gpu_memory_gb; reads the data, and of the model config.json and the headers of its weights`,
  evaluate: `npm run aligntune -- evaluate (--config FILE | --recipe NAME) [options]

${CONFIGURATION}
  --adapter PATH       measure the model with this adapter (adapter_name_or_path)
  --skip-bad-rows      go on without the rows that cannot be used
  --default-limits     use no more of the GPU's limits than WebGPU guarantees everywhere

The rows are those held out: eval_dataset_name, or val_split_ratio of the dataset.`,
  generate: `npm run aligntune -- generate --model NAME|PATH (--prompt TEXT ... | --prompts FILE) [options]

  --adapter PATH           a PEFT adapter of this model, such as the DIR of a run
  --prompt TEXT            may be repeated
  --prompts FILE           .txt: a prompt a line; .jsonl: "prompt" (text or turns), "messages" or "text" of each row
  --system TEXT            a system turn before each prompt
  --raw                    continue the text itself, without the chat template
  --max-new-tokens N       128 by default
  --samples N              answers to each prompt; 1 by default
  --temperature X          0, the default, takes the likeliest token
  --top-k N, --top-p X, --min-p X, --repetition-penalty X, --seed N
  --default-limits         use no more of the GPU's limits than WebGPU guarantees everywhere`,
  export: `npm run aligntune -- export DIR --merged --output OUT [--dtype bf16|f16|f32] [--base NAME|PATH]
npm run aligntune -- export DIR --gguf --output FILE.gguf [--base NAME|PATH]

DIR is the folder of a run, or one of its checkpoint-STEP folders; it stays as it is.

  --merged             the whole model with the adapter merged in, as transformers loads it: safetensors of at most 2 GB,
                       config.json, tokenizer, chat template and README.md. It is made from the base's own files, not from a
                       4-bit copy. Of a run that trained all weights it is those, in another type or in shards.
  --gguf               the adapter as one file for llama.cpp (llama-cli -m base.gguf --lora FILE.gguf)
  --dtype TYPE         what the weights are stored as; by default what the base has
  --base NAME|PATH     the base model, when it is not where the run found it
  --output OUT         a folder that holds no model yet, or a new file

What was written is read back and compared. No GPU is used.`,
  upload: `npm run aligntune -- upload DIR --repo OWNER/NAME [--public] [--existing] [--endpoint URL]

Makes a repository on the hub, private unless --public is given, and uploads the result of the run in DIR in one commit: the
adapter (or the model), README.md, tokenizer, training_config.yaml and trainer_state.json. No data, answers or checkpoints.

  --repo OWNER/NAME    NAME alone is put under the account of the token
  --public             open to everybody
  --existing           add a commit to a repository that is there already
  --endpoint URL       a hub of your own; https://huggingface.co by default, whatever HF_ENDPOINT says

HF_TOKEN is a token with write access. It is sent to that address alone, and never to a mirror.`,
  cluster: `npm run aligntune -- cluster DIR --output OUT

DIR is the folder of a run that has ended. OUT gets its weights, its rows as they were trained on, training_config.yaml for
AlignTune, and train.py, which goes on with TRL on any number of GPUs. It needs Python there, not here.`,
  diagnose: "npm run aligntune -- diagnose [--json] [--default-limits]",
  recipes: "npm run aligntune -- recipes [NAME]\n\nLists the recipes, or prints the configuration of one.",
};
