import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

// The headers that every file of the app is served with: by `npm start`, by `vite preview`, in the tests, and, through
// public/_headers, by static hosts that read that file. The policy keeps scripts, workers, styles, images and frames to this
// origin. Requests may go to a model hub of the person's choice and to the storage that it redirects to, whose addresses
// nobody can list: any https address, or this machine. src/host/hub.ts is all that makes them, and test/e2e proves that there
// are none before a model or dataset of a hub was named. A person's own code can make no request (src/store/sandbox.ts).

/** The one inline script: that of the frame in which a person's code runs (src/store/sandbox.ts). HTML has no other line ends. */
const frameScript = readFileSync(new URL("../src/store/sandbox_frame.js", import.meta.url), "utf8");
const frameHash = createHash("sha256").update(frameScript.replaceAll("\r\n", "\n")).digest("base64");

const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  `script-src 'self' 'wasm-unsafe-eval' 'sha256-${frameHash}'`,
  "worker-src 'self' blob:",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "connect-src 'self' https: http://localhost:* http://127.0.0.1:*",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
];

/** Name and value of each header. Opener and embedder policy make the page cross-origin isolated. */
export const SECURITY_HEADERS = Object.freeze({
  "Content-Security-Policy": CONTENT_SECURITY_POLICY.join("; "),
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
});

/** The text of public/_headers, which Netlify, Cloudflare Pages and others apply to every path. */
export function headersFile() {
  const lines = Object.entries(SECURITY_HEADERS).map(([name, value]) => `  ${name}: ${value}`);
  return `/*\n${lines.join("\n")}\n`;
}
