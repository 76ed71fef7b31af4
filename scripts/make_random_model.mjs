// `npm run make-random-model -- DIR --shape NAME`: a model folder with random weights; src/cli/make_random_model.ts says more.
process.argv.splice(2, 0, "make_random_model");
await import("./run_node.mjs");
