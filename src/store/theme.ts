import { create } from "zustand";

/** `system` follows the device. */
export type Theme = "system" | "light" | "dark";

const KEPT = "aligntune.theme";
const THEMES: readonly Theme[] = ["system", "light", "dark"];

function keptTheme(): Theme {
  try {
    const kept = localStorage.getItem(KEPT);
    return THEMES.find((theme) => theme === kept) ?? "system";
  } catch {
    return "system";
  }
}

/** `drawn` counts changes of colours, so that canvases draw again. */
export const useTheme = create<{ readonly theme: Theme; readonly drawn: number }>(() => ({
  theme: typeof localStorage === "undefined" ? "system" : keptTheme(),
  drawn: 0,
}));

export function setTheme(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
  try {
    localStorage.setItem(KEPT, theme);
  } catch {
    // The choice then holds for this visit.
  }
  useTheme.setState(({ drawn }) => ({ theme, drawn: drawn + 1 }));
}

/** Tells canvases when the device changes between light and dark. */
export function watchSystemTheme(): void {
  for (const query of [
    "(prefers-color-scheme: dark)",
    "(prefers-contrast: more)",
    "(forced-colors: active)",
  ]) {
    matchMedia(query).addEventListener("change", () =>
      useTheme.setState(({ drawn }) => ({ drawn: drawn + 1 })),
    );
  }
}
