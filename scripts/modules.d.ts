// Types of the plain-JavaScript scripts that TypeScript files import (Node runs them without a build).

declare module "*/scripts/security_headers.mjs" {
  /** Name and value of each header that every file of the app is served with. */
  export const SECURITY_HEADERS: Readonly<Record<string, string>>;
  /** The text of public/_headers, which Netlify, Cloudflare Pages and others apply to every path. */
  export function headersFile(): string;
}

declare module "*/scripts/serve.mjs" {
  export interface Server {
    /** The address, with the slash at its end. */
    readonly url: string;
    /** Ends the server and its open connections. */
    close(): Promise<void>;
  }
  /** Serves a folder on this machine; port 0 lets the system choose, `attempts` ports are tried while they are taken. */
  export function serve(root: string, port?: number, attempts?: number): Promise<Server>;
}

declare module "*/scripts/find_chromium.mjs" {
  /** The path of a Chromium or Chrome of this machine, or undefined. */
  export function findChromium(): string | undefined;
}
