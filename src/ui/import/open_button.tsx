import { type ChangeEvent, type ReactNode, useRef, useState } from "react";
import { Dialog } from "../parts/dialog.tsx";
import { ACCEPTED } from "./recognise.ts";
import { takeFiles } from "./take_files.ts";

interface OpenButtonProps {
  readonly className?: string;
  readonly accept?: string;
  readonly id?: string;
  readonly multiple?: boolean;
  readonly children: ReactNode;
}

/** Does by button what a drop does. */
export function OpenButton(props: OpenButtonProps) {
  const { className = "button", accept = ACCEPTED, id, multiple = false, children } = props;
  const input = useRef<HTMLInputElement>(null);
  const [why, setWhy] = useState<string | null>(null);
  const onChange = (event: ChangeEvent<HTMLInputElement>) => {
    const files = [...(event.target.files ?? [])];
    event.target.value = "";
    if (files.length > 0) void takeFiles(files).then(setWhy);
  };
  return (
    <>
      <button type="button" id={id} className={className} onClick={() => input.current?.click()}>
        {children}
      </button>
      <input
        ref={input}
        type="file"
        hidden
        multiple={multiple}
        accept={accept}
        aria-label="File to open"
        onChange={onChange}
      />
      <Dialog title="This cannot be opened" open={why !== null} onClose={() => setWhy(null)}>
        <p>{why}</p>
      </Dialog>
    </>
  );
}
