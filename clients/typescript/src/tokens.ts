// A session in memory: for pages of another origin than the service, and for programs.
//
// A refresh token may be used once (its second use ends the session), so all tabs must hold the
// same one. They tell each other over a channel that only pages of this origin hear.
import type { Holder, Mark } from "./holder.js";
import { LacreError } from "./problem.js";
import { sleep } from "./waiting.js";

/** The tokens of a session. */
export interface Tokens {
  readonly auth: string;
  readonly refresh: string;
  /** When they were received; of two that differ, the later one counts. */
  readonly at: number;
  /** When to refresh: a random moment of the last tenth of the access token's life. */
  readonly renewAt: number;
}

/** Where tokens outlive the page, for those who have decided so: `sessionStorage`, for instance. */
export type Keep = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** What an answer brings. */
interface Brought {
  readonly auth: string;
  readonly refresh?: string;
  readonly expires_in: number;
}

function isBrought(body: Partial<Brought> | null | undefined): body is Brought {
  const { auth, refresh, expires_in: lasts } = body ?? {};
  const isToken = (text: unknown) => typeof text === "string" && /^[!-~]+$/.test(text);
  return isToken(auth) && (refresh === undefined || isToken(refresh)) && Number.isFinite(lasts);
}

/** What tabs say to each other: a question, tokens, or that the session of a time is over. */
type Said = { ask: true } | { tokens: Tokens } | { over: number };

/** How long other tabs have to say what they know: two turns, and up to six while none says anything new. */
const TURN = 50;

export class InMemory implements Holder {
  readonly credentials = "omit";
  readonly #origins: ReadonlySet<string>;
  readonly #name: string;
  readonly #store: Keep | undefined;
  readonly #channel: BroadcastChannel | undefined;
  #tokens: Tokens | undefined;
  /** The time of the latest session that is over. */
  #over = 0;

  constructor(service: URL, origins: Iterable<string>, store: Keep | undefined) {
    this.#origins = new Set([service.origin, ...origins]);
    this.#name = `lacre:${service.href}`;
    this.#store = store;
    // Only pages have tabs beside them. An open channel would also keep a program from ending.
    if (typeof document !== "undefined" && typeof BroadcastChannel !== "undefined") {
      this.#channel = new BroadcastChannel(this.#name);
      this.#channel.onmessage = (event) => this.#hear(event.data as Said);
    }
    this.#read();
  }

  get mark(): Mark {
    return this.#tokens?.auth ?? "";
  }

  get due(): boolean {
    return this.#tokens !== undefined && Date.now() >= this.#tokens.renewAt;
  }

  reaches(url: URL): boolean {
    return this.#origins.has(url.origin);
  }

  prove(headers: Headers): void {
    if (this.#tokens) headers.set("Authorization", `Bearer ${this.#tokens.auth}`);
  }

  proveRefresh(headers: Headers): void {
    if (this.#tokens) headers.set("Authorization", `Bearer ${this.#tokens.refresh}`);
  }

  async catchUp(): Promise<void> {
    this.#read();
    if (!this.#channel) return;
    this.#say({ ask: true });
    const { mark } = this;
    for (let turn = 0; turn < 2 || (turn < 6 && this.mark === mark); turn++) await sleep(TURN);
  }

  async keep(answer: Response): Promise<void> {
    const body = (await answer.json().catch(() => undefined)) as Partial<Brought> | null | undefined;
    // Somebody else's page with the status 200, as of a network that wants a log-in first.
    if (!isBrought(body)) throw new LacreError(answer.status, "unknown", "the answer brings no tokens");
    const now = Date.now();
    const tokens: Tokens = {
      auth: body.auth,
      // A new proof of the password brings no refresh token: the one of before stays.
      refresh: body.refresh ?? this.#tokens?.refresh ?? "",
      // Later than what it replaces, also where the clock was set back.
      at: Math.max(now, (this.#tokens?.at ?? 0) + 1, this.#over + 1),
      renewAt: now + body.expires_in * 1000 * (0.9 + Math.random() / 10),
    };
    this.#take(tokens);
    this.#say({ tokens });
  }

  drop(): void {
    const at = this.#tokens?.at;
    if (at === undefined) return;
    this.#forget(at);
    this.#say({ over: at });
  }

  #hear(said: Said): void {
    if ("ask" in said) {
      if (this.#tokens) this.#say({ tokens: this.#tokens });
    } else if ("tokens" in said) {
      this.#take(said.tokens);
    } else {
      this.#forget(said.over);
    }
  }

  #say(said: Said): void {
    this.#channel?.postMessage(said);
  }

  /** Takes these tokens, unless those that are there are later or their session is over. */
  #take(tokens: Tokens): void {
    if (tokens.at <= this.#over || tokens.at <= (this.#tokens?.at ?? 0)) return;
    this.#tokens = tokens;
    this.#store?.setItem(this.#name, JSON.stringify(tokens));
  }

  #forget(at: number): void {
    this.#over = Math.max(this.#over, at);
    if (this.#tokens && this.#tokens.at <= at) {
      this.#tokens = undefined;
      this.#store?.removeItem(this.#name);
    }
  }

  #read(): void {
    const text = this.#store?.getItem(this.#name);
    if (!text) return;
    try {
      this.#take(JSON.parse(text) as Tokens);
    } catch {
      this.#store?.removeItem(this.#name);
    }
  }
}
