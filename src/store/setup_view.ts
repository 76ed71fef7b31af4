import { create } from "zustand";

/** Where data can come from, as the page offers it. */
export type DataSource = "sample" | "file" | "paste" | "hub";

/** What is open on the setup page; null follows the document. */
export const useSetupView = create<{ readonly source: DataSource | null }>(() => ({ source: null }));

/** As the document says, not as was chosen last. */
export const followDocument = (): void => useSetupView.setState({ source: null });
export const showSource = (source: DataSource): void => useSetupView.setState({ source });
