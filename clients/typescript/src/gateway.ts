// Asks lacre's gateway listener about tokens (RFC 7662), for back ends in Node.
//
// Every question is put anew: a verdict that is kept lets an ended session in. And only an answer
// that says "active" is a yes; everything unexpected is "can't say", which a guard answers with 503.
import { Buffer } from "node:buffer";
import { Agent, request as plain } from "node:http";
import type { IncomingHttpHeaders } from "node:http";
import { Agent as TlsAgent, request as encrypted } from "node:https";

/** How to reach the gateway listener. */
export interface GatewayOptions {
  /** `http://127.0.0.1:8081`, or `unix:/run/lacre/gateway.sock`. */
  url: string;
  /** Of `lacre clients add`. */
  clientId: string;
  clientSecret: string;
  /** Milliseconds until a question counts as unanswered. Default: 2000. */
  timeout?: number;
  /** How many connections at most, all kept. Default: 64. */
  connections?: number;
  /** Hears why a question had no answer. Default: a line on standard error. */
  onUnavailable?: (error: GatewayError) => void;
}

/** A session, as the service knows it at this moment. */
export interface Session {
  /** Whose it is. */
  readonly userId: string;
  /** The user's e-mail address, where there is one. */
  readonly username: string | undefined;
  /** The back end that vouches for the user, where one does. */
  readonly clientId: string | undefined;
  /** The public name of the session. */
  readonly handle: string;
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
  /** Whether a password was proven for this token. */
  readonly fresh: boolean;
  /** When the token expires, in seconds since 1970. */
  readonly expiresAt: number | undefined;
  /** All that the service has answered. */
  readonly claims: Readonly<Record<string, unknown>>;
}

/** The gateway couldn't be asked, or didn't answer as it should. Never says which token. */
export class GatewayError extends Error {
  override readonly name = "GatewayError";
  /** Seconds after which to ask again, where it said so. */
  readonly retryAfter: number | undefined;

  constructor(message: string, retryAfter?: number) {
    super(message);
    this.retryAfter = retryAfter;
  }
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** An answer has some hundred bytes; more is none of lacre's. */
const MAX_ANSWER = 64 * 1024;

/** The gateway listener of a lacre. */
export class Gateway {
  readonly #options: GatewayOptions;
  readonly #url: URL | undefined;
  readonly #socketPath: string | undefined;
  readonly #agent: Agent;
  readonly #credentials: string;

  constructor(options: GatewayOptions) {
    this.#options = options;
    if (options.url.startsWith("unix:")) {
      this.#socketPath = options.url.slice("unix:".length);
    } else {
      this.#url = new URL(options.url);
      if (!/^https?:$/.test(this.#url.protocol)) throw new TypeError("the gateway's url is http://, https:// or unix:");
    }
    if (!options.clientId || !options.clientSecret) throw new TypeError("the gateway wants a clientId and a clientSecret");
    const kept = { keepAlive: true, maxSockets: options.connections ?? 64 };
    this.#agent = this.#url?.protocol === "https:" ? new TlsAgent(kept) : new Agent(kept);
    // RFC 6749 §2.3.1: each in the encoding of forms.
    const pair = `${encodeURIComponent(options.clientId)}:${encodeURIComponent(options.clientSecret)}`;
    this.#credentials = `Basic ${Buffer.from(pair).toString("base64")}`;
  }

  /** The session of an access token, `undefined` where it isn't good; rejects with a `GatewayError` where that can't be told. */
  async session(token: string): Promise<Session | undefined> {
    const answer = await this.#ask("/oauth2/introspect", token);
    const said = parsed(answer.body);
    // What is no token by its length alone.
    if (answer.status === 400 && said?.["error"] === "invalid_request") return undefined;
    if (answer.status !== 200) throw unexpected(answer, said);
    if (said?.["active"] === false) return undefined;
    const { sub, sid } = said ?? {};
    if (said?.["active"] !== true || typeof sub !== "string" || typeof sid !== "string") {
      throw new GatewayError("the gateway's answer isn't one of lacre's");
    }
    return {
      userId: sub,
      username: text(said["username"]),
      clientId: text(said["client_id"]),
      handle: sid,
      roles: Array.isArray(said["roles"]) ? said["roles"].filter((role) => typeof role === "string") : [],
      permissions: text(said["scope"])?.split(" ").filter(Boolean) ?? [],
      fresh: said["fresh"] === true,
      expiresAt: typeof said["exp"] === "number" ? said["exp"] : undefined,
      claims: said,
    };
  }

  /** Ends the session of a token, if it is one; a `GatewayError` means that it is still alive. */
  async revoke(token: string): Promise<void> {
    const answer = await this.#ask("/oauth2/revoke", token);
    if (answer.status !== 200) throw unexpected(answer, parsed(answer.body));
  }

  /** Says why a question had no answer. */
  report(error: GatewayError): void {
    (this.#options.onUnavailable ?? ((reason) => console.error(`lacre: ${reason.message}`)))(error);
  }

  /** Closes the connections that are kept. */
  close(): void {
    this.#agent.destroy();
  }

  async #ask(path: string, token: string): Promise<Answer> {
    const body = new URLSearchParams({ token }).toString();
    const deadline = AbortSignal.timeout(this.#options.timeout ?? 2_000);
    try {
      return await this.#send(path, body, deadline, this.#agent);
    } catch (error) {
      // A kept connection that the other side has closed meanwhile: once more on a new one.
      if (!(error instanceof Closed)) throw error;
      return this.#send(path, body, deadline, false);
    }
  }

  #send(path: string, body: string, deadline: AbortSignal, agent: Agent | false): Promise<Answer> {
    const { hostname, port, protocol } = this.#url ?? { hostname: "localhost", port: "", protocol: "http:" };
    return new Promise((resolve, reject) => {
      const asked = (protocol === "https:" ? encrypted : plain)({
        ...(this.#socketPath === undefined ? { hostname: hostname.replace(/^\[|\]$/g, ""), port } : { socketPath: this.#socketPath }),
        method: "POST",
        path,
        agent,
        signal: deadline,
        headers: {
          Authorization: this.#credentials,
          "Content-Type": "application/x-www-form-urlencoded",
          "Content-Length": Buffer.byteLength(body),
          Accept: "application/json",
        },
      });
      const failed = (error: NodeJS.ErrnoException) => {
        const stale = asked.reusedSocket && ["ECONNRESET", "EPIPE"].includes(error.code ?? "");
        const why = deadline.aborted ? "didn't answer in time" : `can't be reached (${error.code ?? error.message})`;
        reject(stale && !deadline.aborted ? new Closed() : new GatewayError(`the gateway ${why}`));
      };
      asked.on("error", failed);
      // A connection that was made another protocol's, or closed without a word, has no answer.
      asked.on("upgrade", (_, socket) => {
        socket.destroy();
        failed(new Error("another protocol"));
      });
      asked.on("close", () => failed(new Error("no answer")));
      asked.on("response", (answer) => {
        const chunks: Buffer[] = [];
        let length = 0;
        answer.on("data", (chunk: Buffer) => {
          length += chunk.length;
          if (length > MAX_ANSWER) asked.destroy(new Error("the answer is too long"));
          else chunks.push(chunk);
        });
        answer.on("error", failed);
        answer.on("end", () =>
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks).toString() }));
      });
      asked.end(body);
    });
  }
}

class Closed extends Error {}

function unexpected(answer: Answer, said: Record<string, unknown> | undefined): GatewayError {
  // In digits, and no more than a day: a guard hands it on.
  const asked = answer.headers["retry-after"] ?? "";
  const seconds = /^\d{1,9}$/.test(asked) ? Math.min(Number(asked), 86_400) : 0;
  const code = text(said?.["error"]) ?? text(said?.["code"]);
  const why = code && /^[a-z_]{1,40}$/.test(code) ? ` (${code})` : "";
  return new GatewayError(`the gateway answered ${answer.status}${why}`, seconds > 0 ? seconds : undefined);
}

function parsed(body: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
