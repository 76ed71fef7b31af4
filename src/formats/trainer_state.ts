/** A row of metrics of one step: TRL's names, flat. */
export type LogRow = Readonly<Record<string, unknown>>;

/** What trainer_state.json says of a run, in the words of transformers. */
export interface TrainerState {
  readonly globalStep: number;
  readonly epoch: number;
  readonly maxSteps: number;
  readonly numTrainEpochs: number;
  readonly trainBatchSize: number;
  readonly loggingSteps: number;
  readonly evalSteps: number | null;
  readonly saveSteps: number | null;
  readonly numInputTokensSeen: number;
  readonly bestMetric: number | null;
  readonly bestStep: number | null;
  /** One row a logged step, each with its `step`. */
  readonly logHistory: readonly LogRow[];
}

/**
 * trainer_state.json with the keys of transformers' TrainerState, so that its tools and TrainerState.load_from_json
 * read it. Numbers that are not finite become null, since JSON has none.
 */
export function formatTrainerState(state: TrainerState): string {
  const { bestStep } = state;
  const json = {
    best_global_step: bestStep,
    best_metric: state.bestMetric,
    best_model_checkpoint: bestStep === null ? null : `checkpoint-${bestStep}`,
    epoch: state.epoch,
    eval_steps: state.evalSteps,
    global_step: state.globalStep,
    is_hyper_param_search: false,
    is_local_process_zero: true,
    is_world_process_zero: true,
    log_history: state.logHistory,
    logging_steps: state.loggingSteps,
    max_steps: state.maxSteps,
    num_input_tokens_seen: state.numInputTokensSeen,
    num_train_epochs: state.numTrainEpochs,
    save_steps: state.saveSteps,
    stateful_callbacks: {},
    total_flos: 0,
    train_batch_size: state.trainBatchSize,
    trial_name: null,
    trial_params: null,
  };
  return `${JSON.stringify(json, null, 2)}\n`;
}
