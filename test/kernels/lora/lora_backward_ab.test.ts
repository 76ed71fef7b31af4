import { describe } from "vitest";
import { profileFor } from "../../../src/kernels/profile.ts";
import { checkLoraBackwardAb } from "./lora_backward_ab_checks.ts";

describe("lora_backward_ab", () => checkLoraBackwardAb(profileFor({ kind: "cpu" })));
