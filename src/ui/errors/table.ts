import type { Failure } from "../../store/failure.ts";
import type { Named } from "../../store/hub_facts.ts";

/** A change of settings that often helps. */
export type SettingsChange = "lower-rate";

/** What a person can do about an error. The buttons are drawn by `FixButton`. */
export type Fix =
  | { readonly kind: "reload"; readonly label: string }
  | { readonly kind: "check-device"; readonly label: string }
  | { readonly kind: "settings"; readonly label: string; readonly change?: SettingsChange }
  | { readonly kind: "resume"; readonly label: string }
  | { readonly kind: "runs"; readonly label: string }
  | { readonly kind: "library"; readonly label: string }
  /** Asks again; not before `seconds` have passed, where a server said so. */
  | { readonly kind: "retry"; readonly label: string; readonly seconds?: number }
  /** The same without keeping what there is no room for. */
  | { readonly kind: "unkept"; readonly label: string }
  /** Another address of the hub. */
  | { readonly kind: "mirror"; readonly label: string }
  /** What was looked for at the hub, from this device instead. */
  | { readonly kind: "file"; readonly label: string; readonly of: "model" | "data" }
  /** The steps that open a gated or private repository. */
  | { readonly kind: "access"; readonly label: string }
  | { readonly kind: "diagnostics"; readonly label: string };

export interface ErrorText {
  /** What happened. */
  readonly title: string;
  /** What to do, in words, when the message alone does not say it. */
  readonly advice: string;
  readonly fixes: readonly Fix[];
}

type Code = Failure["code"];

const settings = (label = "Change settings", change?: SettingsChange): Fix => ({
  kind: "settings",
  label,
  ...(change ? { change } : {}),
});
const RESUME: Fix = { kind: "resume", label: "Resume from the last checkpoint" };
const RELOAD: Fix = { kind: "reload", label: "Reload the page" };
const LIBRARY: Fix = { kind: "library", label: "Free space in the library" };
const DIAGNOSTICS: Fix = { kind: "diagnostics", label: "Open diagnostics" };

/** The one table from error code to words and buttons. */
export const ERRORS: Readonly<Record<Code, ErrorText>> = {
  "webgpu-unavailable": {
    title: "This browser cannot use your GPU yet",
    advice: "Training needs WebGPU. The steps for your browser are on the start page.",
    fixes: [{ kind: "check-device", label: "Check again" }, DIAGNOSTICS],
  },
  "device-lost": {
    title: "The GPU was reset by the system",
    advice:
      "Close other programs that use the GPU, or plug the laptop in. Everything up to the last checkpoint is kept.",
    fixes: [RESUME, RELOAD],
  },
  "gpu-out-of-memory": {
    title: "The GPU has too little memory for this run",
    advice: "Close other programs that use the GPU, or make the run smaller.",
    fixes: [settings()],
  },
  "gpu-error": {
    title: "The GPU could not do what was asked",
    advice:
      "Work up to the last checkpoint is kept. If this happens again, copy the report from diagnostics.",
    fixes: [RESUME, RELOAD, DIAGNOSTICS],
  },
  "shader-invalid": {
    title: "A GPU program was refused by this driver",
    advice: "Update the browser and the graphics driver, then try again.",
    fixes: [DIAGNOSTICS],
  },
  "shape-mismatch": {
    title: "Two parts of the model do not fit together",
    advice: "The model's files and its configuration disagree, or an adapter belongs to another model.",
    fixes: [settings("Choose another model")],
  },
  "config-invalid": {
    title: "Some settings have to change first",
    advice: "Each is named below, with what it accepts.",
    fixes: [settings("Go to the settings")],
  },
  "dataset-invalid": {
    title: "The data cannot be used as it is",
    advice: "Choose other data, or say in the column headers what each column is.",
    fixes: [settings("Go to the data")],
  },
  "template-invalid": {
    title: "The chat template cannot be used",
    advice: "Take the model's own template, or correct yours under All settings, Data.",
    fixes: [settings()],
  },
  "model-unsupported": {
    title: "This kind of model is not supported",
    advice: "Choose a model of a supported architecture.",
    fixes: [settings("Choose another model")],
  },
  "model-invalid": {
    title: "The model's files cannot be read",
    advice: "A file is missing or damaged. Get the folder again and drop all of its files.",
    fixes: [settings("Choose another model")],
  },
  "adapter-unsupported": {
    title: "This kind of adapter is not supported",
    advice: "Adapters in the PEFT layout with LoRA layers are.",
    fixes: [settings()],
  },
  "file-invalid": {
    title: "A file cannot be read",
    advice: "Check that it is whole and of the kind its name says.",
    fixes: [settings()],
  },
  "file-missing": {
    title: "A file is not there",
    advice: "Drop the files again, then go on: a browser forgets them when the page is reloaded.",
    fixes: [settings("Choose the files again")],
  },
  "checkpoint-invalid": {
    title: "A checkpoint cannot be read",
    advice: "Resume from an earlier one, or start the run again.",
    fixes: [{ kind: "runs", label: "Go to runs" }],
  },
  "loss-not-finite": {
    title: "The loss is no longer a number",
    advice:
      "The learning rate is probably too high. Go back to a checkpoint with a tenth of it, or clip gradients at 1.",
    fixes: [settings("Set up with a tenth of the learning rate", "lower-rate"), RESUME],
  },
  "user-code-invalid": {
    title: "Your code cannot be run",
    advice: "Correct the line that is named below.",
    fixes: [settings("Go to the code")],
  },
  "user-code-failed": {
    title: "Your code stopped with an error",
    advice: "The message names the line of your code, and the row that it was given.",
    fixes: [settings("Go to the code")],
  },
  "storage-full": {
    title: "There is no room left to save",
    advice:
      "Delete models, datasets or old runs, or download the adapter now. A private window keeps little and forgets it on close.",
    fixes: [LIBRARY, { kind: "runs", label: "Go to runs" }],
  },
  "export-invalid": {
    title: "The file was not saved as it should be",
    advice:
      "Nothing is lost: the run and its checkpoints are as they were. Save it again, or to another place.",
    fixes: [],
  },
  network: {
    title: "A file could not be fetched",
    advice: "Check the connection and try again. Training itself needs no network.",
    fixes: [RELOAD],
  },
  "access-denied": {
    title: "The repository did not let this program in",
    advice: "Get access in three steps, choose one that is open, or open its files from your disk.",
    fixes: [{ kind: "access", label: "Get access…" }, settings()],
  },
  cancelled: {
    title: "This was cancelled",
    advice: "Nothing was changed.",
    fixes: [],
  },
  internal: {
    title: "Something in AlignTune broke",
    advice:
      "This is our mistake, not yours. Work up to the last checkpoint is kept. The report in diagnostics helps us.",
    fixes: [RELOAD, DIAGNOSTICS],
  },
};

const NO_ROOM: ErrorText = {
  title: "There is no room to keep this download",
  advice:
    "Without keeping it a run takes as long to begin the next time, needs the network, and uses no storage.",
  fixes: [LIBRARY, { kind: "unkept", label: "Go on without keeping it" }],
};

/** The words for an error, also for a code that this page is too old to know. */
export const errorText = (code: string): ErrorText =>
  Object.hasOwn(ERRORS, code) ? ERRORS[code as Code] : ERRORS.internal;

/** The words for one error: what its details say beyond the code changes what can be done about it. */
export function wordsFor(failure: Pick<Failure, "code" | "details">): ErrorText {
  const { code, details } = failure;
  const text = errorText(code);
  const { host, status, seconds, id } = details;
  const instead: Fix = {
    kind: "file",
    of: isAboutData(details) ? "data" : "model",
    label: isAboutData(details) ? "Choose a file instead" : "Choose a model folder instead",
  };
  if (code === "access-denied") return { ...text, ...(accessTitle(details) ?? {}) };
  if (details["canGoOn"] === true) return NO_ROOM;
  if (code === "file-invalid" && typeof host === "string")
    return { ...text, advice: AGAIN, fixes: [retry(), { kind: "mirror", label: "Use a mirror…" }, instead] };
  if (code === "file-missing" && typeof host === "string" && typeof id === "string")
    return {
      title: `${host} does not have this name`,
      advice:
        "Names have the form owner/name, and capital letters count. A private one is only shown to a token.",
      fixes: [settings(), instead],
    };
  if (code !== "network" || typeof host !== "string") return text;
  if (status === 429)
    return {
      title: "Too many requests just now",
      advice: AGAIN,
      fixes: [retry(typeof seconds === "number" ? seconds : ASSUMED_WAIT), instead],
    };
  return {
    title: status === undefined ? `${host} did not answer` : `${host} could not send this`,
    advice: `${AGAIN} Training itself needs no network.`,
    fixes: [retry(), { kind: "mirror", label: "Use a mirror…" }, instead],
  };
}

const AGAIN = "What has arrived is kept; the next try goes on from there.";

/** Seconds to wait where a server says that it is too busy and not how long. */
const ASSUMED_WAIT = 60;

const retry = (seconds?: number): Fix => ({
  kind: "retry",
  label: "Retry",
  ...(seconds === undefined ? {} : { seconds }),
});

const isAboutData = ({ what, page }: Failure["details"]): boolean =>
  /dataset|parquet|jsonl|csv/i.test(String(what)) || String(page).includes("/datasets/");

/** The repository that a refusal is about; null when it does not say. */
export function wantedOf({ details }: Pick<Failure, "details">): Named | null {
  const { id, revision } = details;
  if (typeof id !== "string") return null;
  return {
    kind: isAboutData(details) ? "dataset" : "model",
    name: id,
    revision: typeof revision === "string" ? revision : null,
  };
}

/** A hub that does not know who asks (401), and one that knows and says no (403), need other steps. */
function accessTitle({ status, gated, hasToken }: Failure["details"]): Pick<ErrorText, "title"> | undefined {
  if (status === 403)
    return {
      title: gated === true ? "Your account is not let in yet" : "Your token does not reach this repository",
    };
  if (status !== 401) return undefined;
  if (hasToken === true) return { title: "The hub does not accept your token" };
  return { title: gated === true ? "This repository is gated" : "This repository is private, or not there" };
}
