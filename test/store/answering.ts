import { type Handlers, serve } from "../../src/protocol/rpc.ts";
import { connectTo } from "../../src/store/client.ts";

/** The worker's end of the protocol, with answers of the test, and what was asked of it. */
export interface Answering {
  readonly sent: { readonly method: string; readonly params: unknown }[];
  answers: Partial<Handlers>;
  close(): void;
}

/** Lets the page's stores speak to a test over a real channel. */
export function answerWith(answers: Partial<Handlers>): Answering {
  const { port1, port2 } = new MessageChannel();
  const answering: Answering = {
    sent: [],
    answers,
    close: () => {
      port1.close();
      port2.close();
    },
  };
  const handlers = new Proxy({} as Handlers, {
    get: (_, method: keyof Handlers) => (params: never) => {
      answering.sent.push({ method, params });
      const answer = answering.answers[method] as unknown as (params: never) => Promise<never>;
      return answer(params);
    },
  });
  serve(port2, handlers);
  connectTo(port1, () => undefined);
  port1.start();
  port2.start();
  return answering;
}
