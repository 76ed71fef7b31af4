/** What this browser keeps for the app, and what the worker asked of others. */

export interface RequestMade {
  readonly url: string;
  /** Bytes that came over the network; 0 also where another site does not let the browser say. */
  readonly bytes: number;
}

export interface StorageReport {
  readonly used: number;
  readonly quota: number;
  readonly persistent: boolean;
}
