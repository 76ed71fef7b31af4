// The script of the frame in which a person's code runs (see sandbox.ts). It starts workers from texts and passes messages
// on; the policy of the frame, which its workers share, keeps both from the network. The page's policy names this script by
// its hash (scripts/security_headers.mjs), so after a change public/_headers has to be written again.
addEventListener("message", ({ data: greeting, source, ports: [port] }) => {
  if (source !== parent || greeting !== "connect" || port === undefined) return;
  const workers = new Map();
  const kept = new Map();
  const commands = {
    keep: ({ name, value }) => kept.set(name, value),
    start: ({ id, parts, files }) => {
      const texts = parts.map((part) => (typeof part === "string" ? part : kept.get(part.kept)));
      const url = URL.createObjectURL(new Blob(texts, { type: "text/javascript" }));
      const worker = new Worker(url);
      workers.set(id, { worker, url });
      worker.onmessage = ({ data }) => port.postMessage({ id, message: data });
      worker.onerror = (event) => {
        event.preventDefault();
        port.postMessage({ id, error: event.message || "the worker did not start", line: event.lineno });
      };
      if (files !== undefined) worker.postMessage({ files: kept.get(files) });
    },
    post: ({ id, message }) => workers.get(id)?.worker.postMessage(message),
    stop: ({ id }) => {
      const running = workers.get(id);
      if (running === undefined) return;
      running.worker.terminate();
      URL.revokeObjectURL(running.url);
      workers.delete(id);
    },
  };
  port.onmessage = ({ data }) => commands[data.command](data);
});
parent.postMessage("ready", "*");
