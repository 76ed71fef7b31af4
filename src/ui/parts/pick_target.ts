/** Chromium's way to write to a file that a person picked: what is large never has to be held by the browser. */
type Picker = (options: { readonly suggestedName: string }) => Promise<FileSystemFileHandle>;

const picker = (): Picker | undefined =>
  (globalThis as { readonly showSaveFilePicker?: Picker }).showSaveFilePicker;

export const canPickTarget = (): boolean => picker() !== undefined;

/** The file to write to; null where the browser only has downloads, and undefined when the person chose none. */
export async function pickTarget(suggestedName: string): Promise<FileSystemFileHandle | null | undefined> {
  try {
    return (await picker()?.({ suggestedName })) ?? null;
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") return undefined;
    // A frame of another site, or a policy, may refuse the picker: a download still works.
    return null;
  }
}
