import { Lock, LockOpen } from "lucide-react";
import type { HubModelInfo } from "../../protocol/hub.ts";

/** Whether everyone may have it. What can be read although it is closed was opened to the token. */
export function AccessLabel({ gated, private: isPrivate }: Pick<HubModelInfo, "gated" | "private">) {
  if (isPrivate)
    return (
      <span className="access-label">
        <Lock size={14} aria-hidden /> Private, open to your token
      </span>
    );
  if (gated !== false)
    return (
      <span className="access-label">
        <Lock size={14} aria-hidden /> Gated: its terms apply
      </span>
    );
  return (
    <span className="access-label">
      <LockOpen size={14} aria-hidden /> Open to everyone
    </span>
  );
}
