import { type ReactNode, useEffect, useId, useRef, useState } from "react";

interface PopoverProps {
  /** What the button shows. */
  readonly button: ReactNode;
  /** What the button is called, when what it shows does not say it. */
  readonly label?: string;
  readonly className?: string;
  readonly align?: "start" | "end";
  readonly disabled?: boolean;
  /** Called when it opens: the time to read what it shows. */
  readonly onOpen?: () => void;
  readonly children: (close: () => void) => ReactNode;
}

/** A button with a panel under it. Escape and a press elsewhere close it; the focus goes back to the button. */
export function Popover(props: PopoverProps) {
  const { button, label, className = "button", align = "start", disabled = false, onOpen, children } = props;
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const trigger = useRef<HTMLButtonElement>(null);
  const id = useId();

  useEffect(() => {
    if (!open) return;
    const onPress = ({ target }: PointerEvent) => {
      if (!(target instanceof Node && root.current?.contains(target))) setOpen(false);
    };
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return;
      setOpen(false);
      trigger.current?.focus();
    };
    document.addEventListener("pointerdown", onPress);
    document.addEventListener("keydown", onKey);
    return () => {
      document.removeEventListener("pointerdown", onPress);
      document.removeEventListener("keydown", onKey);
    };
  }, [open]);

  const toggle = () => {
    if (!open) onOpen?.();
    setOpen(!open);
  };
  const close = () => {
    setOpen(false);
    trigger.current?.focus();
  };
  return (
    <div className="popover" ref={root}>
      <button
        ref={trigger}
        type="button"
        className={className}
        aria-label={label}
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        disabled={disabled}
        onClick={toggle}
      >
        {button}
      </button>
      {open && (
        <div id={id} className={`popover-panel ${align}`}>
          {children(close)}
        </div>
      )}
    </div>
  );
}

/** A sentence of help behind a question mark: on press, on focus and for screen readers. */
export function Help({ about, children }: { about: string; children: ReactNode }) {
  return (
    <Popover button="?" label={`Help: ${about}`} className="help-button">
      {() => <div className="help-text">{children}</div>}
    </Popover>
  );
}
