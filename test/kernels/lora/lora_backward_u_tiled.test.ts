import { describe } from "vitest";
import { profileFor } from "../../../src/kernels/profile.ts";
import { checkLoraBackwardU } from "./lora_backward_u_checks.ts";

describe("lora_backward_u_tiled", () => checkLoraBackwardU(profileFor({ kind: "gpu" })));
