// Where a request carries its token, and whether a page of our own sent it.
import { Buffer } from "node:buffer";
import { timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";

/** The places of a request in which a token is accepted. */
export type Location = "header" | "cookie";

/** The token of a request; none; or why the request is refused without asking anybody. */
export type Found =
  | { token: string }
  | "none"
  | "two"
  | "empty"
  | "malformed"
  | "forged";

type Request = Pick<IncomingMessage, "method" | "headers" | "rawHeaders">;

const ACCESS = "__Host-lacre_access";
const CSRF = "__Host-lacre_csrf";
const SAFE = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);
/** RFC 6750 §2.1, `b64token`. */
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;
/** What the service refuses by its length: `limits.token` may be set up to it. */
const MAX_TOKEN = 16_384;

/** Looks in the places that are enabled; a token in any other is ignored. */
export function locate(request: Request, locations: readonly Location[]): Found {
  const headers = locations.includes("header") ? bearers(request) : [];
  const cookies = locations.includes("cookie") ? values(request, ACCESS) : [];
  if (headers.length + cookies.length > 1) return "two";
  const [token] = [...headers, ...cookies];
  if (token === undefined) return "none";
  if (token === "") return headers.length === 1 ? "empty" : "malformed";
  if (token.length > MAX_TOKEN || !TOKEN.test(token)) return "malformed";
  if (cookies.length === 1 && !isOwnPages(request)) return "forged";
  return { token };
}

/** Node keeps the first `Authorization` and drops others: two have to be seen. */
function bearers(request: Request): string[] {
  const found: string[] = [];
  for (let at = 0; at + 1 < request.rawHeaders.length; at += 2) {
    if (request.rawHeaders[at]?.toLowerCase() !== "authorization") continue;
    const [, scheme, rest] = /^([^ ]*) *(.*)$/.exec(request.rawHeaders[at + 1]?.trim() ?? "") ?? [];
    if (scheme?.toLowerCase() === "bearer") found.push(rest ?? "");
  }
  return found;
}

function values(request: Request, name: string): string[] {
  const pairs = (request.headers.cookie ?? "").split(";").map((pair) => pair.trim());
  return pairs.filter((pair) => pair.startsWith(`${name}=`)).map((pair) => pair.slice(name.length + 1));
}

/**
 * A browser sends its cookies also where another site has it send them. So a method that changes
 * something needs the value that only pages of this origin can read, and the browser's word that
 * one of them has sent it. Only the service could tell for which session the value was made; that
 * is why here, other than there, a request without that word is refused.
 */
function isOwnPages(request: Request): boolean {
  if (SAFE.has(request.method ?? "")) return true;
  const site = request.headers["sec-fetch-site"];
  const { origin, host } = request.headers;
  const own = site === undefined
    ? host !== undefined && (origin === `https://${host}` || origin === `http://${host}`)
    : site === "same-origin" || site === "none";
  const header = request.headers["x-csrf-token"];
  const [cookie, second] = values(request, CSRF);
  return own && second === undefined && typeof header === "string" && cookie !== undefined && same(header, cookie);
}

function same(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length > 0 && a.length === b.length && timingSafeEqual(a, b);
}
