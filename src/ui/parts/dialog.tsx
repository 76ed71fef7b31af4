import { X } from "lucide-react";
import { type ReactNode, useEffect, useId, useRef } from "react";

interface DialogProps {
  readonly title: string;
  readonly open: boolean;
  readonly onClose: () => void;
  readonly wide?: boolean;
  readonly children: ReactNode;
  /** Buttons, the one that goes on last. */
  readonly footer?: ReactNode;
}

/** A native modal dialog: the browser keeps the focus inside and gives it back. */
export function Dialog({ title, open, onClose, wide = false, children, footer }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    if (!dialog) return;
    if (open && !dialog.open) {
      dialog.showModal();
      // Its title is read first; a button would be pressed by whoever was typing.
      dialog.querySelector("h2")?.focus();
    }
    if (!open && dialog.open) dialog.close();
  }, [open]);
  return (
    <dialog ref={ref} className={wide ? "dialog wide" : "dialog"} aria-labelledby={id} onClose={onClose}>
      {open && (
        <>
          <header className="dialog-head">
            <h2 id={id} tabIndex={-1}>
              {title}
            </h2>
            <button type="button" className="icon-button" aria-label="Close" onClick={onClose}>
              <X size={16} aria-hidden />
            </button>
          </header>
          <div className="dialog-body">{children}</div>
          {footer && <footer className="dialog-foot">{footer}</footer>}
        </>
      )}
    </dialog>
  );
}

interface ConfirmProps {
  readonly title: string;
  readonly open: boolean;
  /** What will be lost, in words. */
  readonly children: ReactNode;
  readonly action: string;
  readonly onConfirm: () => void;
  readonly onClose: () => void;
}

/** Asks before something is lost, and names it. */
export function ConfirmDialog({ title, open, children, action, onConfirm, onClose }: ConfirmProps) {
  const confirm = () => {
    onClose();
    onConfirm();
  };
  const footer = (
    <>
      <button type="button" className="button" onClick={onClose}>
        Keep it
      </button>
      <button type="button" className="button danger" onClick={confirm}>
        {action}
      </button>
    </>
  );
  return (
    <Dialog title={title} open={open} onClose={onClose} footer={footer}>
      {children}
    </Dialog>
  );
}
