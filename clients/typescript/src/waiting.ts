// When to send a request once more, and how long to wait before.

/** How requests are sent again that found the service busy or without its store. */
export interface Retry {
  /** How many times at most. */
  readonly times: number;
  /** The longest wait, in milliseconds. An answer that asks for a longer one is returned as it is. */
  readonly longest: number;
}

export const RETRY: Retry = { times: 2, longest: 10_000 };

/** The first wait where the answer doesn't say how long; it doubles each time. */
const FIRST_WAIT = 500;
/** Methods that do the same when they come twice (RFC 9110 §9.2.2). */
const IDEMPOTENT = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);

/** Milliseconds until the request may be sent again; `undefined` where it must not be. */
export function pause(
  method: string,
  answer: { readonly status: number; readonly headers: Headers },
  sent: number,
  retry: Retry,
): number | undefined {
  if (sent > retry.times || !IDEMPOTENT.has(method)) return undefined;
  if (answer.status !== 503 && answer.status !== 429) return undefined;
  const asked = retryAfter(answer.headers, Date.now());
  // Only the service knows when a count begins anew.
  if (asked === undefined && answer.status === 429) return undefined;
  const least = asked ?? FIRST_WAIT * 2 ** (sent - 1);
  if (least > retry.longest) return undefined;
  // All who were told the same would come back at the same moment.
  return least + Math.random() * Math.max(least / 5, 100);
}

/** `Retry-After` in milliseconds (RFC 9110 §10.2.3): seconds, or a date. */
export function retryAfter(headers: Headers, now: number): number | undefined {
  const value = headers.get("Retry-After")?.trim();
  if (!value) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const date = /^[A-Z][a-z]{2},/.test(value) ? Date.parse(value) : NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** Waits, and rejects with the signal's reason where it is aborted meanwhile. */
export function sleep(milliseconds: number, signal?: AbortSignal | null): Promise<void> {
  return abortable(new Promise((done) => setTimeout(done, milliseconds)), signal);
}

/** The same promise, but for a caller who has given up: the work itself goes on. */
export function abortable<T>(work: Promise<T>, signal?: AbortSignal | null): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason as Error);
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
