import { dropToken } from "../../store/access.ts";
import { hubHost, openAddress, useHub } from "../../store/hub.ts";
import { useToken } from "../../store/hub_token.ts";

/** Where names are looked for, what that says of the person, and how to change it. */
export function HubNote() {
  const host = useHub(({ address }) => hubHost(address));
  const { has, user, remembered } = useToken();
  return (
    <p className="muted small hub-note">
      Fetched from {host} by this browser. Nothing of yours is sent there
      {has ? " but your access token." : "."}{" "}
      <button type="button" className="link-button" onClick={openAddress}>
        Hub address…
      </button>
      {has && (
        <>
          {user === null ? "A token is set" : `A token of ${user} is set`}
          {remembered ? ", remembered on this device." : " for this tab."}{" "}
          <button type="button" className="link-button" onClick={() => void dropToken()}>
            Remove the token
          </button>
        </>
      )}
    </p>
  );
}
