import { AccessDialog } from "./access_dialog.tsx";
import { AddressDialog } from "./address_dialog.tsx";
import "../styles/hub.css";

/** The dialogs about the hub, which every screen can open. */
export function HubDialogs() {
  return (
    <>
      <AddressDialog />
      <AccessDialog />
    </>
  );
}
