import { navigate } from "wouter/use-hash-location";
import { showSource } from "../../store/setup_view.ts";

/** Leads to where files of this device are chosen, with the focus on the button. */
export function chooseInstead(of: "model" | "data"): void {
  if (of === "data") showSource("file");
  navigate("/new");
  const id = of === "data" ? "choose-data-file" : "choose-model-folder";
  // The page may have to be drawn first, and its parts may have to be loaded.
  const started = performance.now();
  const look = () => {
    const button = document.getElementById(id);
    if (button) {
      button.scrollIntoView({ block: "center" });
      button.focus({ preventScroll: true });
    } else if (performance.now() - started < 3000) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}
