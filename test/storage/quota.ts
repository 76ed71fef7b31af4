/**
 * Lets the browser's storage run full after `writes` more writes: the next one fails as in browsers, with an
 * error event on the request, which aborts the transaction.
 */
export async function withQuota(writes: number, work: () => Promise<void>): Promise<void> {
  const { put, add } = IDBObjectStore.prototype;
  let left = writes;
  const limited = (original: typeof put) =>
    function limitedWrite(this: IDBObjectStore, value: unknown, key?: IDBValidKey) {
      left -= 1;
      if (left >= 0) return key === undefined ? original.call(this, value) : original.call(this, value, key);
      const operation = () => {
        throw new DOMException("The quota has been exceeded.", "QuotaExceededError");
      };
      const request: unknown = Reflect.get(this.transaction, "_execRequestAsync").call(this.transaction, {
        operation,
        source: this,
      });
      if (!(request instanceof IDBRequest)) throw new Error("The stand-in for IndexedDB has changed.");
      return request;
    };
  IDBObjectStore.prototype.put = limited(put);
  IDBObjectStore.prototype.add = limited(add);
  try {
    await work();
  } finally {
    IDBObjectStore.prototype.put = put;
    IDBObjectStore.prototype.add = add;
  }
}
