import { describeLinear } from "./linear_checks.ts";

describeLinear("nt", "gpu");
