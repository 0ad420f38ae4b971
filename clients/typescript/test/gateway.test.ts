// The connection to the gateway listener.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { createServer as createTcp } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Gateway, GatewayError } from "../src/gateway.js";
import { ADA, later, listening, Service } from "./service.js";

/** For a gateway that looks at none. */
const CLIENT = { clientId: "till", clientSecret: "a secret: of % signs" };
const YES = '{"active":true,"sub":"a","sid":"b","roles":["clerk",1],"scope":"x  y","exp":7}';

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

test("the service is asked by a socket of Unix, ends a session by it, and is found again after a restart", async (t) => {
  const path = join(tmpdir(), `lacre-${process.pid}.sock`);
  const service = await Service.start(t, { LACRE_GATEWAY__LISTEN: `unix:${path}` });
  const gateway = new Gateway({ url: `unix:${path}`, ...service.client() });
  t.after(() => gateway.close());
  await service.ada();
  const [one, other] = [await service.token(), await service.token()];
  const session = await gateway.session(one);
  assert.equal(session?.username, ADA.email);
  assert.equal(session?.fresh, true);
  assert.deepEqual(session?.roles, ["user"]);
  await gateway.revoke(one);
  assert.equal(await gateway.session(one), undefined);
  await gateway.revoke("never one of ours");
  await service.stop();
  await assert.rejects(gateway.session(other), GatewayError);
  await assert.rejects(gateway.revoke(other), GatewayError);
  await service.start();
  assert.equal((await gateway.session(other))?.username, ADA.email);
});

test("wrong credentials are no verdict", async (t) => {
  const service = await Service.start(t);
  await service.ada();
  const token = await service.token();
  const right = service.client();
  const ask = async (url: string, credentials: typeof right) => {
    const gateway = new Gateway({ url, ...credentials });
    t.after(() => gateway.close());
    return gateway.session(token);
  };
  const wrong = { ...right, clientSecret: "a secret: of % signs" };
  await assert.rejects(ask(service.gateway, wrong), { name: "GatewayError", message: /401 \(invalid_client\)/ });
  // The public listener has no such route.
  await assert.rejects(ask(service.url, right), { name: "GatewayError", message: /404/ });
  assert.equal((await ask(service.gateway, right))?.username, ADA.email);
});

test("a refresh token, and an access token of before a refresh, are no session", async (t) => {
  const service = await Service.start(t);
  await service.ada();
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(`${service.url}/getToken`, { method: "POST", headers, body: JSON.stringify(ADA) });
  const { auth, refresh } = (await answer.json()) as { auth: string; refresh: string };
  const gateway = new Gateway({ url: service.gateway, ...service.client() });
  t.after(() => gateway.close());
  assert.equal(await gateway.session(refresh), undefined);
  assert.ok(await gateway.session(auth));
  await fetch(`${service.url}/refresh`, { method: "POST", headers: { Authorization: `Bearer ${refresh}` } });
  assert.equal(await gateway.session(auth), undefined);
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

test("whatever a gateway says instead of an answer is no verdict, and comes in time", async (t) => {
  const raw = (text: string) => createTcp((socket) => socket.on("error", () => undefined).once("data", () => socket.end(text)));
  const head = "HTTP/1.1 200 OK\r\n";
  const said = [
    "", "noise\r\n\r\n", `${head}Content-Length: -1\r\n\r\n{`, `${head}Transfer-Encoding: chunked\r\n\r\nnoise\r\n`,
    `${head}${"A: b\r\n".repeat(20_000)}\r\n`, `${head}Content-Length: 200000\r\n\r\n${"[".repeat(200_000)}`,
    `${head}Content-Length: 60000\r\n\r\n${"[".repeat(60_000)}`, `${head}Content-Length: 4\r\n\r\nnull`,
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n".repeat(50), "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
    `${head}Content-Length: 31\r\n\r\n{"active":1,"sub":"a","sid":"b"}`, `${head}Content-Length: 40\r\n\r\n${YES.slice(0, 40)}`,
  ];
  for (const text of said) {
    const server = raw(text);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(() => server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const gateway = new Gateway({ url, ...CLIENT, timeout: 1_000 });
    t.after(() => gateway.close());
    const asked = gateway.session("a secret token").then(() => "a verdict", (error: unknown) => error);
    const outcome = await Promise.race([asked, later(3_000).then(() => "nothing")]);
    assert.ok(outcome instanceof GatewayError, `${text.slice(0, 90)}: ${String(outcome)}`);
    assert.ok(!outcome.message.includes("secret"), outcome.message);
  }
});

test("Retry-After is handed on in seconds alone", async (t) => {
  for (const [value, due] of [
    ["7", 7], ["99999999", 86_400], ["0", undefined], ["Infinity", undefined], ["1e3", undefined], ["0x10", undefined],
    ["9".repeat(400), undefined], ["-1", undefined], ["1.5", undefined],
  ] as const) {
    const busy = createServer((_, answer) => answer.writeHead(503, { "Retry-After": value }).end());
    const gateway = new Gateway({ url: await listening(t, busy), ...CLIENT });
    t.after(() => gateway.close());
    await assert.rejects(gateway.session("a"), (error: unknown) => {
      assert.ok(error instanceof GatewayError);
      assert.equal(error.retryAfter, due, value);
      return true;
    });
  }
});

test("a service that was frozen answers again when it goes on", async (t) => {
  const service = await Service.start(t);
  await service.ada();
  const one = await service.token();
  const gateway = new Gateway({ url: service.gateway, ...service.client(), timeout: 500 });
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
