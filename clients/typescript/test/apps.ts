// The same small application on Express and on Fastify.
import express from "express";
import fastify from "fastify";
import { createServer } from "node:http";
import type { TestContext } from "node:test";
import * as onExpress from "../src/express.js";
import * as onFastify from "../src/fastify.js";
import type { Demands, Gateway } from "../src/express.js";
import { listening } from "./service.js";

/** What each route demands; what it answers is whose session came. */
const ROUTES: Record<string, Demands> = {
  "/any": {},
  "/open": { optional: true },
  "/clerk": { role: "clerk" },
  "/staff": { role: ["clerk", "manager"] },
  "/till": { permission: ["till:open", "till:close"] },
  "/fresh": { fresh: true },
  "/page": { locations: ["header", "cookie"] },
};

export type App = (test: TestContext, gateway: Gateway) => Promise<string>;

export const APPS: Record<string, App> = {
  async Express(test, gateway) {
    const app = express();
    for (const [path, demands] of Object.entries(ROUTES)) {
      app.all(path, onExpress.guard(gateway, demands), (request, response) => {
        response.json({ user: request.lacre && onExpress.session(request).username });
      });
    }
    app.get("/forgotten", (request, response) => {
      response.json(onExpress.session(request));
    });
    app.use(((_error, _request, response, _next) => {
      response.status(500).end();
    }) satisfies express.ErrorRequestHandler);
    return listening(test, createServer(app));
  },
  async Fastify(test, gateway) {
    const app = fastify();
    test.after(() => app.close());
    for (const [url, demands] of Object.entries(ROUTES)) {
      app.route({
        method: ["GET", "POST"],
        url,
        onRequest: onFastify.guard(gateway, demands),
        handler: async (request) => ({ user: request.lacre && onFastify.session(request).username }),
      });
    }
    app.get("/forgotten", async (request) => onFastify.session(request));
    return app.listen({ host: "127.0.0.1", port: 0 });
  },
};
