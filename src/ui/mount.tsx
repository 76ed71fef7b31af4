import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { invariant } from "../lib/errors.ts";
import { App } from "./app.tsx";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/shell.css";
import "./styles/review.css";
import "./styles/start.css";

/** Draws the page into the document. */
export function mount(): void {
  const root = document.getElementById("root");
  invariant(root, "index.html has an element #root");
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
