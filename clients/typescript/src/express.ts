// The guard as a middleware of Express.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Gateway, Session } from "./gateway.js";
import { decide } from "./guard.js";
import type { Demands } from "./guard.js";

export { Gateway, GatewayError } from "./gateway.js";
export type { GatewayOptions, Session } from "./gateway.js";
export type { Demands } from "./guard.js";
export type { Location } from "./locate.js";

declare global {
  // eslint-disable-next-line @typescript-eslint/no-namespace -- how Express has its requests extended
  namespace Express {
    interface Request {
      /** Behind a guard: the session; `null` for who sent no token to an optional one. */
      lacre?: Session | null;
    }
  }
}

type Guarded = IncomingMessage & { lacre?: Session | null };

/** Lets in who the gateway knows and what `demands` allows; the handler finds the session by `session(req)`. */
export function guard(
  gateway: Gateway,
  demands: Demands = {},
): (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void {
  return (request: Guarded, response, next) => {
    decide(gateway, request, demands).then((decided) => {
      if ("session" in decided) {
        request.lacre = decided.session;
        next();
      } else {
        response.writeHead(decided.status, decided.headers).end(decided.body);
      }
    }, next);
  };
}

/** The session of a request. Throws where no guard has let it in, or an optional one did without. */
export function session(request: { lacre?: Session | null }): Session {
  if (!request.lacre) throw new Error("no guard has given this request a session");
  return request.lacre;
}
