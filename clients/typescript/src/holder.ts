// How a page holds its session: by cookies that its scripts can't read, or by tokens in memory.

/** What changes whenever a session begins, is refreshed or ends; empty without a session. */
export type Mark = string;

export interface Holder {
  readonly mark: Mark;
  /** Whether the access token is about to expire, where that is known. */
  readonly due: boolean;
  /** What the browser may send along by itself to the service. */
  readonly credentials: RequestCredentials;
  /** Whether a request to this URL may carry the session. */
  reaches(url: URL): boolean;
  /** Adds the proof of the session to a request. */
  prove(headers: Headers, method: string): void;
  /** Adds what a refresh and a log-out are proven with. */
  proveRefresh(headers: Headers): void;
  /** Learns what other tabs may know better. Asked before the first request and before a refresh. */
  catchUp(): Promise<void>;
  /** Keeps what a log-in, a refresh or a new proof of the password has brought. */
  keep(answer: Response): Promise<void>;
  /** Forgets the session. */
  drop(): void;
}

/** Methods that change nothing (RFC 9110 §9.2.1): they need no proof against forgery. */
export const SAFE = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);
