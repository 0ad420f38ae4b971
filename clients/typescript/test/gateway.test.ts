// The connection to the gateway listener.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { connect, createServer as createTcp } from "node:net";
import type { Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { Gateway, GatewayError } from "../src/gateway.js";
import { ADA, later, listening, Service } from "./service.js";
import { CLIENT, standIn } from "./stand_in.js";

const YES = '{"active":true,"sub":"a","sid":"b","roles":["clerk",1],"scope":"x  y","exp":7}';

async function token(service: Service): Promise<string> {
  await service.ada();
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(`${service.url}/getToken`, { method: "POST", headers, body: JSON.stringify(ADA) });
  return ((await answer.json()) as { auth: string }).auth;
}

test("connections are kept, and every question is asked anew", async (t) => {
  let asked = 0;
  let opened = 0;
  const server = createServer((_, answer) => {
    asked++;
    answer.end(YES);
  });
  server.on("connection", () => opened++);
  const gateway = new Gateway({ url: await listening(t, server), ...CLIENT, connections: 2 });
  t.after(() => gateway.close());
  for (let times = 0; times < 20; times++) await gateway.session("a");
  assert.deepEqual([asked, opened], [20, 1]);
  await Promise.all(Array.from({ length: 20 }, () => gateway.session("a")));
  assert.deepEqual([asked, opened], [40, 2]);
});

test("what the service says is the session", async (t) => {
  const url = await listening(t, createServer((_, answer) => answer.end(YES)));
  const gateway = new Gateway({ url, ...CLIENT });
  t.after(() => gateway.close());
  const { claims, ...session } = (await gateway.session("a"))!;
  assert.deepEqual(session, {
    userId: "a", username: undefined, clientId: undefined, handle: "b",
    roles: ["clerk"], permissions: ["x", "y"], fresh: false, expiresAt: 7,
  });
  assert.deepEqual(claims, JSON.parse(YES));
});

test("a kept connection that was closed meanwhile is no failure", async (t) => {
  const sockets = new Set<Socket>();
  const server = createServer((_, answer) => answer.end(YES));
  server.on("connection", (socket) => sockets.add(socket));
  const gateway = new Gateway({ url: await listening(t, server), ...CLIENT });
  t.after(() => gateway.close());
  await Promise.all([1, 2, 3].map(() => gateway.session("a")));
  // As a restart does it: the client hears of it when it writes.
  for (const socket of sockets) socket.resetAndDestroy();
  assert.equal((await gateway.session("a"))?.userId, "a");
});

test("a socket of Unix, which the service is asked by, and a session ended by it", async (t) => {
  const service = await Service.start(t);
  const path = join(service.home, "gateway.sock");
  const server = standIn(service.url);
  await new Promise<void>((done) => server.listen(path, done));
  t.after(() => server.close());
  const gateway = new Gateway({ url: `unix:${path}`, ...CLIENT });
  t.after(() => gateway.close());
  const one = await token(service);
  const session = await gateway.session(one);
  assert.equal(session?.username, ADA.email);
  assert.equal(session?.fresh, true);
  await gateway.revoke(one);
  assert.equal(await gateway.session(one), undefined);
  await gateway.revoke("never one of ours");
  await service.stop();
  await assert.rejects(gateway.session(one), GatewayError);
});

test("a gateway that hangs, is gone, or breaks off is unreachable in time", async (t) => {
  const failure = async (url: string) => {
    const gateway = new Gateway({ url, ...CLIENT, timeout: 300 });
    t.after(() => gateway.close());
    const began = Date.now();
    const error = await gateway.session("a secret token").then(() => assert.fail("it worked"), (error: unknown) => error);
    assert.ok(error instanceof GatewayError);
    assert.ok(Date.now() - began < 2_000);
    assert.ok(!error.message.includes("secret"), error.message);
    return error.message;
  };
  assert.match(await failure(await listening(t, createServer(() => undefined))), /didn't answer in time/);
  const halfway = createServer((_, answer) => answer.writeHead(200, { "Content-Length": "99" }).write("{"));
  assert.match(await failure(await listening(t, halfway)), /didn't answer in time/);
  const breaking = createServer((_, answer) => {
    answer.writeHead(200, { "Content-Length": "99" }).write("{");
    setTimeout(() => answer.destroy(), 50);
  });
  assert.match(await failure(await listening(t, breaking)), /can't be reached/);
  assert.match(await failure("http://127.0.0.1:1"), /can't be reached \(ECONNREFUSED\)/);
  assert.match(await failure("unix:/nowhere"), /can't be reached \(ENOENT\)/);
});

test("a service that was frozen answers again when it goes on", async (t) => {
  const service = await Service.start(t);
  const one = await token(service);
  // What is between: a connection that stays open while nobody answers.
  const { port } = new URL(await listening(t, standIn(service.url)));
  const between = createTcp((socket) => {
    const on = connect(Number(port), "127.0.0.1");
    socket.pipe(on).pipe(socket);
    for (const end of [socket, on]) end.on("error", () => undefined);
  });
  await new Promise<void>((done) => between.listen(0, "127.0.0.1", done));
  t.after(() => between.close());
  const address = between.address() as { port: number };
  const gateway = new Gateway({ url: `http://127.0.0.1:${address.port}`, ...CLIENT, timeout: 500 });
  t.after(() => gateway.close());
  assert.equal((await gateway.session(one))?.username, ADA.email);
  const goOn = service.freeze();
  await assert.rejects(gateway.session(one), /didn't answer in time/);
  goOn();
  await later(100);
  assert.equal((await gateway.session(one))?.username, ADA.email);
});

test("a gateway without an address or credentials is refused at once", () => {
  assert.throws(() => new Gateway({ url: "ftp://a", ...CLIENT }), TypeError);
  assert.throws(() => new Gateway({ url: "nowhere", ...CLIENT }), TypeError);
  assert.throws(() => new Gateway({ url: "http://a", clientId: "a", clientSecret: "" }), TypeError);
});
