import { useEffect } from "react";
import { clearNotice, useApp } from "../../store/app.ts";

const SHOWN_MS = 6000;

/** The one live region of the page, and short confirmations for the eye. */
export function Notice() {
  const notice = useApp((state) => state.notice);
  const announcement = useApp((state) => state.announcement);
  useEffect(() => {
    if (notice === "") return;
    const timer = setTimeout(clearNotice, SHOWN_MS);
    return () => clearTimeout(timer);
  }, [notice]);
  return (
    <>
      <div className="hidden" role="status" aria-live="polite">
        {announcement}
      </div>
      {notice !== "" && (
        <div className="notice" aria-hidden="true">
          {notice}
        </div>
      )}
    </>
  );
}
