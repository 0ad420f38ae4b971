// The guard as a hook of Fastify.
import type {} from "fastify";
import type { IncomingMessage } from "node:http";
import type { Gateway, Session } from "./gateway.js";
import { decide } from "./guard.js";
import type { Demands } from "./guard.js";

export { Gateway, GatewayError } from "./gateway.js";
export type { GatewayOptions, Session } from "./gateway.js";
export type { Demands } from "./guard.js";
export type { Location } from "./locate.js";

declare module "fastify" {
  interface FastifyRequest {
    /** Behind a guard: the session; `null` for who sent no token to an optional one. */
    lacre?: Session | null;
  }
}

/** As much of Fastify's request and reply as a guard touches. */
interface Asked {
  readonly raw: IncomingMessage;
  lacre?: Session | null;
}
interface Reply {
  code(status: number): Reply;
  headers(headers: Record<string, string>): Reply;
  send(body: string): unknown;
}

/** An `onRequest` hook: lets in who the gateway knows and what `demands` allows. */
export function guard(gateway: Gateway, demands: Demands = {}): (request: Asked, reply: Reply) => Promise<unknown> {
  return async (request, reply) => {
    const decided = await decide(gateway, request.raw, demands);
    if ("session" in decided) {
      request.lacre = decided.session;
      return undefined;
    }
    return reply.code(decided.status).headers(decided.headers).send(decided.body);
  };
}

/** The session of a request. Throws where no guard has let it in, or an optional one did without. */
export function session(request: { lacre?: Session | null }): Session {
  if (!request.lacre) throw new Error("no guard has given this request a session");
  return request.lacre;
}
