import { serve } from "../../../src/protocol/rpc.ts";
import { boot } from "../../../src/store/boot.ts";
import { mount } from "../../../src/ui/mount.tsx";
import { standIn } from "./stand_in.ts";

/** The page with a stand-in for the worker: every screen and state can be looked at without a GPU. */

const { port1, port2 } = new MessageChannel();
const scene = new URLSearchParams(location.search).get("scene") ?? "idle";
const { handlers, play } = standIn(scene, (event) => emit(event));
const emit = serve(port2, handlers);
port1.start();
port2.start();
boot(port1);
mount();
play();
