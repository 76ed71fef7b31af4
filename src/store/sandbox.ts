import { AppError } from "../lib/errors.ts";
import script from "./sandbox_frame.js?raw";

/**
 * What the frame may do: start workers from texts, and run WebAssembly. No request, not even to this site. It comes on top of
 * the page's own policy, which allows this inline script by its hash.
 */
const POLICY = "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval'; worker-src blob:";

const DOCUMENT = `<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${POLICY}"><title>Code</title><script>${script}</script>`;

const LIMIT = 30_000;

let frame: HTMLIFrameElement | undefined;

/**
 * Opens the frame in which a person's code runs, and returns one end of a channel to it, for host/browser_user_code.ts. The
 * frame has an origin of its own: storage, cookies and the page are out of its reach. A frame opened before is removed, with
 * all that runs in it. Throws `user-code-failed` when the browser does not load it.
 *
 * Its document is part of the page and not a file, because a frame without the page's origin is not served by the service
 * worker, and the page has to work without a network.
 */
export function openSandboxPort(): Promise<MessagePort> {
  frame?.remove();
  const opened = document.createElement("iframe");
  frame = opened;
  opened.hidden = true;
  opened.title = "Code";
  opened.setAttribute("sandbox", "allow-scripts");
  opened.srcdoc = DOCUMENT;
  return new Promise((resolve, reject) => {
    const end = () => {
      removeEventListener("message", listen);
      clearTimeout(timer);
    };
    const listen = ({ source, data }: MessageEvent) => {
      if (source !== opened.contentWindow || data !== "ready") return;
      end();
      const { port1, port2 } = new MessageChannel();
      opened.contentWindow?.postMessage("connect", "*", [port2]);
      resolve(port1);
    };
    const timer = setTimeout(() => {
      end();
      const reason = "The browser did not open the frame in which your code runs. Reload the page.";
      reject(new AppError("user-code-failed", reason));
    }, LIMIT);
    addEventListener("message", listen);
    document.body.append(opened);
  });
}
