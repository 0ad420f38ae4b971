// What a guard decides, without a framework: the session of a request, or the answer that refuses it.
//
// The answers are those of lacre's own guard (RFC 6750 §3, RFC 9457): a bad token is 401 whatever is
// wrong with it, a missing right 403; where the service can't be asked, 503.
import type { IncomingMessage } from "node:http";
import { GatewayError } from "./gateway.js";
import type { Gateway, Session } from "./gateway.js";
import { locate } from "./locate.js";
import type { Location } from "./locate.js";

/** What a route demands. */
export interface Demands {
  /** Lets in who sends no token; a bad one is refused all the same. */
  optional?: boolean;
  /** A password must have been proven for the token. */
  fresh?: boolean;
  /** One of these roles. */
  role?: string | readonly string[];
  /** All of these permissions. */
  permission?: string | readonly string[];
  /** Where a token may stand. Default: `["header"]`. */
  locations?: readonly Location[];
}

/** The answer to a request that is refused. */
export interface Refusal {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** Decides about one request. */
export async function decide(
  gateway: Gateway,
  request: Pick<IncomingMessage, "method" | "headers" | "rawHeaders">,
  demands: Demands,
): Promise<{ session: Session | null } | Refusal> {
  const found = locate(request, demands.locations ?? ["header"]);
  switch (found) {
    case "none":
      return demands.optional
        ? { session: null }
        : refusal(401, "no_credentials", "Credentials needed", "This resource needs an access token.", challenge());
    case "two":
      return invalidRequest("The request carries more than one credential.");
    case "empty":
      return invalidRequest("The Authorization header carries no token.");
    case "malformed":
      return invalidToken();
    case "forged":
      return refusal(403, "csrf_failed", "Not sent by our own page",
        "A token in a cookie changes nothing unless a page of this origin sends the value of the cookie " +
        "`__Host-lacre_csrf` in the header `X-CSRF-TOKEN`.");
  }
  let session: Session | undefined;
  try {
    session = await gateway.session(found.token);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    gateway.report(error);
    return refusal(503, "service_unreachable", "Can't be decided now",
      "Whether the token is good can't be told at the moment. Try again.",
      { "Retry-After": String(Math.ceil(error.retryAfter ?? 1)) });
  }
  if (!session) return invalidToken();
  const missing = lacks(session, demands);
  if (missing === undefined) return { session };
  const permission = typeof missing === "object" && "permission" in missing ? missing.permission : "";
  const scope = /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(permission) ? { scope: permission } : {};
  return refusal(403, "insufficient_scope", "Not allowed",
    "The token is good, and its owner lacks something that this resource needs.",
    challenge({ error: "insufficient_scope", ...scope }), { missing });
}

type Missing = { role: string } | { any_role: readonly string[] } | { permission: string } | "fresh_login";

function lacks(session: Session, demands: Demands): Missing | undefined {
  if (demands.role !== undefined) {
    const roles = list(demands.role);
    if (!roles.some((role) => session.roles.includes(role))) {
      return roles.length === 1 && roles[0] !== undefined ? { role: roles[0] } : { any_role: roles };
    }
  }
  const permission = list(demands.permission ?? []).find((one) => !session.permissions.includes(one));
  if (permission !== undefined) return { permission };
  return demands.fresh && !session.fresh ? "fresh_login" : undefined;
}

const list = (value: string | readonly string[]): readonly string[] => (typeof value === "string" ? [value] : value);

function invalidRequest(detail: string): Refusal {
  return refusal(400, "invalid_request", "Invalid request", detail, challenge({ error: "invalid_request" }));
}

function invalidToken(): Refusal {
  return refusal(401, "invalid_token", "Invalid token", "The token is not accepted.", challenge({ error: "invalid_token" }));
}

function challenge(members: Record<string, string> = {}): Record<string, string> {
  const all = Object.entries({ realm: "lacre", ...members });
  return { "WWW-Authenticate": `Bearer ${all.map(([name, value]) => `${name}="${value}"`).join(", ")}` };
}

function refusal(
  status: number,
  code: string,
  title: string,
  detail: string,
  headers: Record<string, string> = {},
  more: Record<string, unknown> = {},
): Refusal {
  return {
    status,
    headers: { "Content-Type": "application/problem+json", "Cache-Control": "no-store", ...headers },
    body: JSON.stringify({ type: `urn:lacre:error:${code}`, title, status, detail, code, ...more }),
  };
}
