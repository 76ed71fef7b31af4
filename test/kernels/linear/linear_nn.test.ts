import { describeLinear } from "./linear_checks.ts";

describeLinear("nn", "cpu");
