// A session in cookies: the browser keeps the tokens, and no script can read them.
import type { Holder, Mark } from "./holder.js";
import { SAFE } from "./holder.js";
import { LacreError } from "./problem.js";

const CSRF = "__Host-lacre_csrf";
/** The header that repeats the cookie, to show that a page of this origin sent the request. */
export const CSRF_HEADER = "X-CSRF-TOKEN";

export class Cookies implements Holder {
  readonly due = false;
  readonly credentials = "same-origin";
  readonly #origin: string;

  constructor(service: URL) {
    this.#origin = service.origin;
    // A worker has an origin and no `document.cookie`.
    if (typeof document === "undefined" || location.origin !== service.origin) {
      throw new TypeError(
        `cookies are for a page, and reach its own origin only: use { hold: "tokens" } for a service at ${service.origin}`,
      );
    }
  }

  /** The value against forgery is another one after each refresh, also after one of another tab. */
  get mark(): Mark {
    for (const pair of document.cookie.split("; ")) {
      if (pair.startsWith(`${CSRF}=`)) return pair.slice(CSRF.length + 1);
    }
    return "";
  }

  reaches(url: URL): boolean {
    return url.origin === this.#origin;
  }

  prove(headers: Headers, method: string): void {
    if (!SAFE.has(method)) this.proveRefresh(headers);
  }

  proveRefresh(headers: Headers): void {
    if (this.mark !== "") headers.set(CSRF_HEADER, this.mark);
  }

  async catchUp(): Promise<void> {
    // Tabs share their cookies.
  }

  /** The tokens in the body stay unread: what no script holds, no script can lose. */
  async keep(answer: Response): Promise<void> {
    await answer.body?.cancel();
    if (this.mark === "") {
      throw new LacreError(
        answer.status,
        "cookies_not_kept",
        "no cookie came, or the browser didn't keep it: `token.locations` of the service needs " +
          "`cookie`, and the page https or http://localhost",
      );
    }
  }

  drop(): void {
    // The service removes the cookies with its answer.
  }
}
