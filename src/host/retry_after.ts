/** The seconds that a server asks to wait: Retry-After in seconds or as a date, or `t` of the RateLimit header. */
export function retryAfter(headers: Headers): number | undefined {
  const after = headers.get("retry-after");
  const limit = /;\s*t=(\d+)/.exec(headers.get("ratelimit") ?? "")?.[1];
  if (after === null) return limit === undefined ? undefined : Number(limit);
  if (/^\d+$/.test(after.trim())) return Number(after);
  const date = Date.parse(after);
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - Date.now()) / 1000));
}
