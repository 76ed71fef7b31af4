import { Component, type ReactNode } from "react";
import { noteError } from "../../store/app.ts";
import type { Failure } from "../../store/failure.ts";
import { ErrorCard } from "./error_card.tsx";

interface Props {
  readonly children: ReactNode;
}

/** Keeps a screen that cannot be drawn from taking the page with it. React asks for a class here. */
export class ErrorBoundary extends Component<Props, { readonly failure: Failure | null }> {
  override state: { readonly failure: Failure | null } = { failure: null };

  static getDerivedStateFromError(error: unknown): { failure: Failure } {
    return { failure: noteError(error) };
  }

  override render(): ReactNode {
    const { failure } = this.state;
    if (!failure) return this.props.children;
    return (
      <div className="page">
        <ErrorCard failure={failure} title="This screen could not be drawn" />
      </div>
    );
  }
}
