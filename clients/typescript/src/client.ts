// The session of a page, and `fetch` with it.
//
// All that changes the session (log-in, refresh, new proof of the password, log-out) takes its turn
// over all tabs: the answer of an earlier refresh would overwrite the cookies of a later log-in.
import type { Routes } from "./api.js";
import { Cookies } from "./cookies.js";
import type { Holder, Mark } from "./holder.js";
import { SAFE } from "./holder.js";
import { errorOf, problemOf } from "./problem.js";
import { InMemory } from "./tokens.js";
import type { Keep } from "./tokens.js";
import { turns } from "./turns.js";
import type { Retry } from "./waiting.js";
import { abortable, pause, RETRY, sleep } from "./waiting.js";

/** What a client is made with; for a page of the service's own origin, nothing. */
export interface Options {
  /** Where the service is. Default: the origin of the page. */
  url?: string;
  /** `cookies`, the default, on the service's own origin; `tokens` elsewhere and in programs. */
  hold?: "cookies" | "tokens";
  /**
   * With `tokens`: further origins that the access token is sent to, such as
   * `https://api.example.org`. The service's and the page's own are always among them, others get
   * no token.
   */
  origins?: readonly string[];
  /** With `tokens`: where they outlive the page. Default: nowhere. */
  store?: Keep;
  /** How often a request is sent again that found the service busy; `false` for never. */
  retry?: Partial<Retry> | false;
}

/** Routes that change the session; each has a method of its own. */
type Own = "POST /getToken" | "POST /login" | "POST /refresh" | "POST /reauth" | "POST /logout";
/** A route of the service, such as `GET /me`. */
export type Route = Exclude<keyof Routes, Own>;
/** What a route takes. */
export type Given<R extends Route> = Omit<Routes[R], "answer" | "codes"> & { signal?: AbortSignal };
/** What a route answers. */
export type Answer<R extends Route> = Routes[R]["answer"];

/** How long the answer of a refresh may take: the second try must come within `refresh.grace`. */
const REFRESH_TIMEOUT = 4_000;
/** The same where a password is hashed. Others wait for it. */
const PROOF_TIMEOUT = 30_000;

/** The session of a page. */
export class Lacre {
  readonly #url: URL;
  readonly #holder: Holder;
  readonly #retry: Retry;
  readonly #turn: <T>(work: () => Promise<T>) => Promise<T>;
  readonly #news: BroadcastChannel | undefined;
  readonly #listeners = new Set<(loggedIn: boolean) => void>();
  /** The refresh that is under way, and what it is to replace. */
  #renewal: { mark: Mark; answer: Promise<Response | undefined> } | undefined;
  /** A session that the service has refused to refresh. */
  #ended: Mark = "";
  #caughtUp: Promise<void> | undefined;

  constructor(options: Options = {}) {
    const page = globalThis.location?.origin;
    this.#url = new URL(options.url ?? page ?? "");
    // What follows is relative to it, also where a proxy has put the service below a path.
    if (!this.#url.pathname.endsWith("/")) this.#url.pathname += "/";
    this.#holder =
      options.hold === "tokens"
        ? new InMemory(this.#url, [...(page ? [page] : []), ...(options.origins ?? [])], options.store)
        : new Cookies(this.#url);
    this.#retry = options.retry === false ? { times: 0, longest: 0 } : { ...RETRY, ...options.retry };
    const name = `lacre:${options.hold ?? "cookies"}:${this.#url.href}`;
    this.#turn = turns(name);
    if (typeof document !== "undefined" && typeof BroadcastChannel !== "undefined") {
      this.#news = new BroadcastChannel(name);
      this.#news.onmessage = (event) => this.#tell(event.data === true);
    }
  }

  /** Whether there is a session, as far as is known here; the service alone can say that it lives. */
  get loggedIn(): boolean {
    return this.#holder.mark !== "" && this.#holder.mark !== this.#ended;
  }

  /** Calls `listener` when the session begins or is over, in this tab or another; undone by what is returned. */
  subscribe(listener: (loggedIn: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Makes an account; doesn't log in. */
  async signUp(body: Routes["POST /signup"]["body"]): Promise<Answer<"POST /signup">> {
    return this.call("POST /signup", { body });
  }

  /** Begins a session. */
  async logIn(body: Routes["POST /getToken"]["body"]): Promise<void> {
    await this.#turn(async () => {
      await this.#keep(await this.#ask("POST /getToken", PROOF_TIMEOUT, body));
    });
    this.#announce(true);
  }

  /** Proves the password once more: the access token is fresh then. */
  async reauth(password: string): Promise<void> {
    await this.#turn(async () => {
      const ask = () =>
        this.#ask("POST /reauth", PROOF_TIMEOUT, { password }, (headers) => this.#holder.prove(headers, "POST"));
      let answer = await ask();
      if (isRefused(answer) && (await problemOf(answer.clone()))["code"] !== "invalid_credentials") {
        answer = (await this.#renewInTurn(this.#holder.mark)) ?? (await ask());
      }
      await this.#keep(answer);
    });
  }

  /** Ends the session. While the service can't be reached that fails, and the session is still alive. */
  async logOut(): Promise<void> {
    await this.#turn(async () => {
      await this.#holder.catchUp();
      if (this.#holder.mark === "") return;
      const answer = await this.#ask("POST /logout", REFRESH_TIMEOUT, undefined, (headers) =>
        this.#holder.proveRefresh(headers));
      // Refused: it is over already.
      if (!answer.ok && answer.status !== 401) throw await errorOf(answer);
      this.#holder.drop();
    });
    this.#announce(false);
  }

  /** Calls a route of the service with the session; its answer's body. Throws a `LacreError` for all but success. */
  async call<R extends Route>(
    route: R,
    ...[given]: Record<never, never> extends Given<R> ? [Given<R>?] : [Given<R>]
  ): Promise<Answer<R>> {
    const { path, query, body, signal } = (given ?? {}) as {
      path?: Record<string, string>;
      query?: Record<string, string>;
      body?: unknown;
      signal?: AbortSignal;
    };
    const [method = "", template = ""] = route.split(" ");
    const target = template.replace(/\{(\w+)\}/g, (_, name: string) => segment(path?.[name]));
    const url = this.#at(target);
    for (const [name, value] of Object.entries(query ?? {})) url.searchParams.set(name, value);
    const init: RequestInit = { method, credentials: this.#holder.credentials };
    if (body !== undefined) {
      init.body = JSON.stringify(body);
      init.headers = { "Content-Type": "application/json" };
    }
    if (signal) init.signal = signal;
    const answer = await this.fetch(url, init);
    if (!answer.ok) throw await errorOf(answer);
    if (answer.status === 204) return undefined as Answer<R>;
    const isJson = answer.headers.get("Content-Type")?.startsWith("application/json");
    return (await (isJson ? answer.json() : answer.text())) as Answer<R>;
  }

  /**
   * `fetch` with the session. Where the access token isn't good any more, one tab refreshes it for
   * all, and the request is sent once more. Where that can't be told since the service isn't
   * reachable, the answer is the refresh's own (503), never the 401 of before.
   */
  readonly fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const request = input instanceof Request ? input : undefined;
    const method = (init?.method ?? request?.method ?? "GET").toUpperCase();
    const signal = init?.signal ?? request?.signal;
    const url = new URL(request?.url ?? String(input), globalThis.document?.baseURI ?? this.#url);
    const given = new Headers(init?.headers ?? request?.headers);
    // A request that brings its own proof, or goes elsewhere, is none of ours.
    const ours = this.#holder.reaches(url) && !given.has("Authorization");
    const send = (headers: Headers) => fetch(request ? request.clone() : url, { ...init, headers });
    // Of what a stream has given there is no second copy.
    const body: unknown = init?.body;
    const once = body instanceof ReadableStream || (typeof body === "object" && body !== null && Symbol.asyncIterator in body);
    for (let sent = 1; ; sent++) {
      const answer = await (ours ? this.#proven(method, given, send, once, signal) : send(given));
      const wait = once ? undefined : pause(method, answer, sent, this.#retry);
      if (wait === undefined) return answer;
      await answer.body?.cancel();
      await sleep(wait, signal);
    }
  };

  async #proven(
    method: string,
    given: Headers,
    send: (headers: Headers) => Promise<Response>,
    once: boolean,
    signal: AbortSignal | null | undefined,
  ): Promise<Response> {
    if (this.#holder.mark === "") await abortable((this.#caughtUp ??= this.#holder.catchUp()), signal);
    if (this.#holder.due) {
      // The access token may still be good, whatever comes of this.
      await abortable(this.#renew(this.#holder.mark).catch(() => undefined), signal);
    }
    const attempt = () => {
      const headers = new Headers(given);
      this.#holder.prove(headers, method);
      return send(headers);
    };
    const mark = this.#holder.mark;
    const answer = await attempt();
    if (mark !== "" && isRefused(answer)) {
      const instead = await abortable(this.#renew(mark), signal);
      if (instead?.status === 401 || (once && !instead)) return answer;
      await answer.body?.cancel();
      return instead ?? attempt();
    }
    // Another tab has refreshed between the reading of the cookie and its sending.
    const crossed = answer.status === 403 && !SAFE.has(method) && mark !== this.#holder.mark;
    if (crossed && !once && (await problemOf(answer.clone()))["code"] === "csrf_failed") return attempt();
    return answer;
  }

  /** Has the session refreshed that this mark is of; a clone of the answer where it wasn't. */
  async #renew(mark: Mark): Promise<Response | undefined> {
    if (this.#renewal?.mark !== mark) {
      const renewal = { mark, answer: this.#turn(() => this.#renewInTurn(mark)) };
      this.#renewal = renewal;
      const over = () => {
        if (this.#renewal === renewal) this.#renewal = undefined;
      };
      renewal.answer.then(over, over);
    }
    return (await this.#renewal.answer)?.clone();
  }

  async #renewInTurn(mark: Mark): Promise<Response | undefined> {
    if (this.#holder.mark !== mark) return this.#outcome();
    if (mark === this.#ended) return new Response(null, { status: 401 });
    await this.#holder.catchUp();
    // Another tab was first.
    if (this.#holder.mark !== mark) return this.#outcome();
    const ask = () =>
      this.#ask("POST /refresh", REFRESH_TIMEOUT, undefined, (headers) => this.#holder.proveRefresh(headers));
    // Where an answer was lost, the same question within the grace brings it again. Later it would
    // look as if somebody else had used the token.
    const answer = await ask().catch(ask);
    if (answer.ok) {
      await this.#holder.keep(answer);
      return undefined;
    }
    if (answer.status === 401) {
      this.#ended = mark;
      // Has the cookies removed that lead nowhere.
      if (this.#holder.credentials !== "omit") {
        await this.#ask("POST /logout", REFRESH_TIMEOUT, undefined, (headers) =>
          this.#holder.proveRefresh(headers)).catch(() => undefined);
      }
      this.#holder.drop();
      this.#announce(false);
    }
    return answer;
  }

  /** What is to be said where the session is another one than that of the request: nothing, or that it is over. */
  #outcome(): Response | undefined {
    return this.#holder.mark === "" ? new Response(null, { status: 401 }) : undefined;
  }

  async #keep(answer: Response): Promise<void> {
    if (!answer.ok) throw await errorOf(answer);
    await this.#holder.keep(answer);
  }

  /** A request that changes the session, within its turn. */
  async #ask(route: Own, timeout: number, body?: unknown, prove?: (headers: Headers) => void): Promise<Response> {
    const headers = new Headers(body === undefined ? {} : { "Content-Type": "application/json" });
    prove?.(headers);
    return fetch(this.#at(route.slice("POST ".length)), {
      method: "POST",
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      credentials: this.#holder.credentials,
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.timeout(timeout),
    });
  }

  #at(target: string): URL {
    return new URL(target.slice(1), this.#url);
  }

  #announce(loggedIn: boolean): void {
    this.#tell(loggedIn);
    this.#news?.postMessage(loggedIn);
  }

  #tell(loggedIn: boolean): void {
    for (const listener of this.#listeners) listener(loggedIn);
  }
}

/** Whether a guard of bearer tokens has refused: other 401s are answers of their own (RFC 6750 §3). */
function isRefused(answer: Response): boolean {
  if (answer.status !== 401) return false;
  const challenge = answer.headers.get("WWW-Authenticate");
  // Of another origin, what isn't exposed can't be read.
  return challenge === null ? answer.type === "cors" : /\bbearer\b/i.test(challenge);
}

/** A part of a path, which can't become two parts or another path. */
function segment(value: string | undefined): string {
  if (!value || /^\.+$/.test(value)) throw new TypeError("a part of the path is missing");
  return encodeURIComponent(value);
}
