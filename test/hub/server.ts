import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { answerHub, digest, type TestRepository, type Users } from "./answers.ts";
import { type Answered, type Fault, type SeenRequest, sendFile } from "./send_file.ts";

export interface TestHub {
  readonly url: string;
  readonly seen: SeenRequest[];
  fault: ((request: SeenRequest) => Fault | undefined) | undefined;
  close(): Promise<void>;
}

/**
 * What the real hub and its storage say to pages of other sites. The hub answers the question that a browser asks before a
 * request that is not a simple one, such as one with a token, and repeats the headers that were asked for; the storage does
 * not, so that nothing but a simple request may reach it.
 */
const FOR_PAGES: Readonly<Record<SeenRequest["at"], Readonly<Record<string, string>>>> = {
  hub: {
    "access-control-allow-origin": "*",
    "access-control-expose-headers":
      "X-Repo-Commit,X-Request-Id,X-Error-Code,X-Error-Message,X-Total-Count,ETag,Link,Accept-Ranges,Content-Range,X-Linked-Size,X-Linked-ETag,X-Xet-Hash,RateLimit,RateLimit-Policy",
  },
  storage: {
    "access-control-allow-origin": "*",
    "access-control-expose-headers":
      "Accept-Ranges, Content-Range, Content-Type, Content-Disposition, ETag, X-Cache",
  },
};

/** A hub on this machine: listings, files with ranges, ETags and redirects to a storage of another origin, tokens, and faults. */
export async function startHub(repositories: readonly TestRepository[], users: Users = {}): Promise<TestHub> {
  const seen: SeenRequest[] = [];
  const state: { fault: TestHub["fault"] } = { fault: undefined };
  const stored = new Map<string, Uint8Array>();
  const listen = (at: SeenRequest["at"], answer: (request: Answered, response: ServerResponse) => void) =>
    serve((message, response) => {
      const request = {
        ...{ method: String(message.method), path: decodeURIComponent(String(message.url)), at },
        range: message.headers.range,
        authorization: message.headers.authorization,
      };
      for (const [name, value] of Object.entries(FOR_PAGES[at])) response.setHeader(name, value);
      if (request.method === "OPTIONS" && at === "hub") return allow(message, response);
      seen.push(request);
      if (!["GET", "HEAD"].includes(request.method)) return sendFault({ status: 405 }, response);
      const fault = state.fault?.(request);
      if (fault === "page" || typeof fault === "object") sendFault(fault, response);
      else answer({ ...request, fault }, response);
    });
  const storage = await listen("storage", (request, response) => {
    const key = request.path.slice(1);
    const bytes = stored.get(key);
    if (bytes === undefined) response.writeHead(404).end();
    else sendFile(request, response, bytes, key);
  });
  const hub = await listen("hub", (request, response) => {
    const keep = (bytes: Uint8Array) => {
      const key = digest("sha1", bytes);
      stored.set(key, bytes);
      return `${storage.url}/${key}`;
    };
    answerHub(repositories, users, request, response, keep);
  });
  return {
    url: hub.url,
    seen,
    get fault() {
      return state.fault;
    },
    set fault(fault) {
      state.fault = fault;
    },
    close: async () => {
      await Promise.all([hub.close(), storage.close()]);
    },
  };
}

function sendFault(fault: Extract<Fault, object | "page">, response: ServerResponse): void {
  if (fault === "page")
    response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><p>Log in");
  else response.writeHead(fault.status, fault.headers).end("{}");
}

/** The question before a request with a token: answered without one. */
function allow({ headers }: IncomingMessage, response: ServerResponse): void {
  response
    .writeHead(204, {
      "access-control-allow-methods": headers["access-control-request-method"] ?? "GET",
      "access-control-allow-headers": headers["access-control-request-headers"] ?? "",
    })
    .end();
}

interface Listening {
  readonly url: string;
  close(): Promise<void>;
}

async function serve(
  answer: (message: IncomingMessage, response: ServerResponse) => void,
): Promise<Listening> {
  const server: Server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
