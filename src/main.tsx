import { boot } from "./store/boot.ts";
import { registerOffline } from "./store/offline.ts";
import { mount } from "./ui/mount.tsx";

boot();
mount();
registerOffline();
