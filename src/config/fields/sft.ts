import { choice, flag, nullable, number } from "../field.ts";

/** Supervised fine-tuning. */
export const sftFields = {
  loss_type: choice("nll", ["nll", "dft"], {
    label: "Loss",
    help: "nll is the usual token cross-entropy; dft weighs each token by its own probability, which forgets less.",
    group: "loss",
    spellings: { chunked_nll: "nll", cross_entropy: "nll" },
  }),
  completion_only_loss: nullable(
    flag(true, {
      label: "Learn the answer only",
      help: "The loss covers the answer and not the prompt.",
      group: "loss",
    }),
    "Yes for rows that have a prompt and an answer, no for whole texts and chats.",
  ),
  assistant_only_loss: flag(false, {
    label: "Learn assistant turns only",
    help: "In chats of several turns the loss covers what the assistant says; the chat template must mark its turns.",
    group: "loss",
  }),
  label_smoothing_factor: number(0, {
    label: "Label smoothing",
    help: "Share of the target that is spread over the whole vocabulary.",
    group: "loss",
    max: 0.99,
    step: 0.01,
  }),
  packing: flag(false, {
    label: "Packing",
    help: "Several short rows share one row of the maximum length, without seeing one another; faster on short rows.",
    group: "training",
  }),
  packing_strategy: choice("bfd", ["bfd", "bfd_split", "wrapped"], {
    label: "Packing strategy",
    help: "bfd fits whole rows (long ones are cut), bfd_split cuts long rows into pieces, wrapped joins everything and cuts at the maximum length.",
    group: "training",
    spellings: { ffd: "bfd" },
  }),
  neftune_noise_alpha: nullable(
    number(5, {
      label: "NEFTune noise",
      help: "Noise added to the embeddings in training; 5 is usual.",
      group: "loss",
      above: 0,
      max: 1000,
    }),
    "None.",
  ),
};
