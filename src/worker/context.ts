import type { BrowserHost } from "../host/browser.ts";
import type { WorkerEvent } from "../protocol/messages.ts";
import type { Database } from "../storage/database.ts";
import type { Downloads } from "./downloads.ts";
import type { SandboxDoor } from "./sandbox.ts";

/** What every part of the worker shares. */
export interface WorkerContext {
  readonly host: BrowserHost;
  /** Undefined when the browser keeps nothing: runs then live as long as the tab. */
  readonly database: Database | undefined;
  readonly emit: (event: WorkerEvent) => void;
  readonly sandbox: SandboxDoor;
  readonly downloads: Downloads;
}
