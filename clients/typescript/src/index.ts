// For pages and programs that have a session: log-in, log-out, and `fetch` with it.
export type { Code, Routes } from "./api.js";
export type { Answer, Given, Options, Route } from "./client.js";
export { Lacre } from "./client.js";
export { LacreError } from "./problem.js";
export type { Keep } from "./tokens.js";
export type { Retry } from "./waiting.js";
