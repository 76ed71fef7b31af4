import type { CSSProperties, ReactNode } from "react";

interface ScrollAreaProps {
  readonly label: string;
  readonly className?: string;
  readonly style?: CSSProperties;
  readonly children: ReactNode;
}

/** Something that scrolls inside itself: the keyboard reaches it, and it has a name. */
export function ScrollArea({ label, className = "", style, children }: ScrollAreaProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard (WCAG 2.1.1).
    <section className={`scroll-area ${className}`} style={style} tabIndex={0} aria-label={label}>
      {children}
    </section>
  );
}
