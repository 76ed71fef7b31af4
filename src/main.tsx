import { boot } from "./store/boot.ts";
import { mount } from "./ui/mount.tsx";

boot();
mount();
