import { describe } from "vitest";
import { profileFor } from "../../../src/kernels/profile.ts";
import { checkLoraU } from "./lora_u_checks.ts";

describe("lora_u_tiled", () => checkLoraU(profileFor({ kind: "gpu" })));
