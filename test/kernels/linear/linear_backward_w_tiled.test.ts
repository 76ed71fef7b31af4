import { describeBackwardW } from "./backward_w_checks.ts";

describeBackwardW("gpu");
