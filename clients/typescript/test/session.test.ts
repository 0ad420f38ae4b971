// The session of a program: tokens in memory, against the real service.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Lacre, LacreError } from "../src/index.js";
import { ADA, Front, later, PASSWORD, serve, Service } from "./service.js";

/** Between one second and two, since dates in tokens are whole seconds. */
const SHORT = { LACRE_TOKEN__ACCESS_TTL: "2s" };
const EXPIRED = 2_100;

test("from 401 to a token, to 200, to its end, to 401", async (t) => {
  const service = await Service.start(t);
  const lacre = new Lacre({ url: service.url, hold: "tokens" });
  const heard: boolean[] = [];
  lacre.subscribe((loggedIn) => heard.push(loggedIn));
  const me = () => lacre.fetch(`${service.url}/me`);
  assert.equal((await me()).status, 401);
  const account = await lacre.signUp(ADA);
  assert.equal(lacre.loggedIn, false);
  await lacre.logIn(ADA);
  assert.equal(lacre.loggedIn, true);
  const who = await lacre.call("GET /me");
  assert.equal(who.id, account.id);
  assert.equal(who.session.fresh, true);
  assert.equal(await lacre.call("GET /headers"), "Access Granted");
  await lacre.logOut();
  assert.equal(lacre.loggedIn, false);
  assert.equal((await me()).status, 401);
  assert.deepEqual(heard, [true, false]);
  await lacre.logOut(); // what is over already
});

test("ten requests with an expired token make one refresh", async (t) => {
  const service = await Service.start(t, SHORT);
  const front = new Front();
  const lacre = await service.ada({ url: await front.before(t, service) });
  for (let round = 1; round <= 3; round++) {
    await later(EXPIRED);
    const answers = await Promise.all(Array.from({ length: 10 }, () => lacre.call("GET /me")));
    assert.equal(answers.length, 10);
    assert.equal(front.count("POST /refresh"), round);
  }
  assert.equal((await lacre.call("GET /sessions")).length, 1);
});

test("rights that have changed are those of the next request, and a body is sent twice", async (t) => {
  const service = await Service.start(t);
  const lacre = await service.ada();
  service.operator("users", "set", ADA.email, "--role", "admin");
  const made = await lacre.call("POST /admin/users", { body: { email: "eve@example.com", password: PASSWORD } });
  assert.equal(made.email, "eve@example.com");
  assert.equal((await lacre.call("GET /admin/users", { query: { q: "eve" } })).users[0]?.id, made.id);
  assert.equal((await lacre.call("GET /admin/users/{id}", { path: { id: made.id } })).email, made.email);
  assert.equal(await lacre.call("DELETE /admin/users/{id}", { path: { id: made.id } }), undefined);
});

test("the body of a request is sent again, that of a stream is not", async (t) => {
  const service = await Service.start(t);
  const lacre = await service.ada();
  const endTheToken = (permission: string) =>
    service.operator("users", "set", ADA.email, "--permission", permission);
  const body = JSON.stringify({ current: "wrong horse", new: "another horse battery" });
  const headers = { "Content-Type": "application/json" };
  const target = `${service.url}/me/password`;
  endTheToken("a");
  const request = new Request(target, { method: "PUT", headers, body });
  assert.equal((await lacre.fetch(request)).status, 403); // the body came; the token isn't fresh
  endTheToken("b");
  const stream = new Blob([body]).stream();
  const init = { method: "PUT", headers, body: stream, duplex: "half" } as RequestInit;
  assert.equal((await lacre.fetch(target, init)).status, 401);
  assert.equal((await lacre.call("GET /me")).email, ADA.email); // and the session was refreshed
  endTheToken("c");
  const pieces = async function* () {
    yield new TextEncoder().encode(body);
  };
  const piecemeal = { method: "PUT", headers, body: pieces(), duplex: "half" } as unknown as RequestInit;
  assert.equal((await lacre.fetch(target, piecemeal)).status, 401);
});

test("a session that was revoked is over, and is asked for once", async (t) => {
  const service = await Service.start(t);
  const front = new Front();
  const lacre = await service.ada({ url: await front.before(t, service) });
  const heard: boolean[] = [];
  lacre.subscribe((loggedIn) => heard.push(loggedIn));
  service.operator("sessions", "revoke", "--user", ADA.email);
  for (let times = 0; times < 3; times++) {
    const error = await failure(lacre.call("GET /me"));
    assert.equal(error.status, 401);
  }
  assert.equal(front.count("POST /refresh"), 1);
  assert.deepEqual(heard, [false]);
  assert.equal(lacre.loggedIn, false);
});

test("an answer of 200 without tokens begins no session", async (t) => {
  const bodies = ["<html>", "null", "[]", "{}", '{"auth":1,"expires_in":9}', '{"auth":"","expires_in":9}',
    '{"auth":"a\\r\\nX: y","expires_in":9}', '{"auth":"a","expires_in":"9"}', '{"auth":"a","refresh":1,"expires_in":9}'];
  for (const body of bodies) {
    const url = await serve(t, (_, answer) => answer.end(body));
    const lacre = new Lacre({ url, hold: "tokens" });
    await assert.rejects(lacre.logIn({ email: "a", password: "b" }), { name: "LacreError", code: "unknown" }, body);
    assert.equal(lacre.loggedIn, false, body);
  }
});

test("a new proof of the password makes the token fresh", async (t) => {
  const service = await Service.start(t);
  const lacre = await service.ada();
  service.operator("users", "set", ADA.email, "--permission", "till:open"); // ends the access token
  assert.equal((await lacre.call("GET /me")).session.fresh, false);
  const wrong = await failure(lacre.reauth("wrong horse battery"));
  assert.equal(wrong.code, "invalid_credentials");
  assert.equal(lacre.loggedIn, true);
  service.operator("users", "set", ADA.email, "--permission", "till:close");
  await lacre.reauth(PASSWORD); // refreshes first
  assert.equal((await lacre.call("GET /me")).session.fresh, true);
  const change = { current: PASSWORD, new: "another horse battery" };
  assert.equal(await lacre.call("PUT /me/password", { body: change }), undefined);
});

test("an error names its code, its field and its request", async (t) => {
  const service = await Service.start(t);
  const lacre = new Lacre({ url: service.url, hold: "tokens" });
  const weak = await failure(lacre.signUp({ email: ADA.email, password: "short" }));
  assert.deepEqual([weak.status, weak.code, weak.field], [422, "account_invalid", "password"]);
  assert.match(weak.requestId ?? "", /^[\w-]{22}$/);
  const unknown = await failure(lacre.logIn(ADA));
  assert.deepEqual([unknown.status, unknown.code], [401, "invalid_credentials"]);
  await lacre.signUp(ADA);
  await lacre.logIn(ADA);
  const forbidden = await failure(lacre.call("GET /admin/users"));
  assert.deepEqual([forbidden.code, forbidden.missing], ["insufficient_scope", { role: "admin" }]);
  await assert.rejects(lacre.call("DELETE /sessions/{crt}", { path: { crt: ".." } }), TypeError);
});

test("too many log-ins say when to come back", async (t) => {
  const service = await Service.start(t, { LACRE_LIMITS__LOGIN_PER_ACCOUNT: "1/1h" });
  const lacre = new Lacre({ url: service.url, hold: "tokens" });
  await lacre.signUp(ADA);
  const wrong = { ...ADA, password: "wrong horse battery" };
  await failure(lacre.logIn(wrong));
  const error = await failure(lacre.logIn(wrong));
  assert.deepEqual([error.status, error.code], [429, "rate_limited"]);
  assert.ok((error.retryAfter ?? 0) > 60_000);
});

test("a lost answer of a refresh is asked for again, within the grace", async (t) => {
  const service = await Service.start(t, SHORT);
  const front = new Front();
  const lacre = await service.ada({ url: await front.before(t, service) });
  await later(EXPIRED);
  let lost = 0;
  front.instead = (asked, answer, passOn) => {
    if (asked === "POST /refresh" && lost++ === 0) {
      answer.writeHead = () => answer.destroy() as never; // the service has answered, nobody hears it
    }
    passOn();
  };
  assert.equal((await lacre.call("GET /me")).email, ADA.email);
  assert.equal(front.count("POST /refresh"), 2);
  await later(EXPIRED);
  assert.equal((await lacre.call("GET /me")).email, ADA.email);
});

test("while nobody can refresh, the answer is 503 and not 401, and the session goes on", async (t) => {
  const service = await Service.start(t, SHORT);
  const front = new Front();
  const url = await front.before(t, service);
  const lacre = await service.ada({ url, retry: false });
  await later(EXPIRED);
  front.instead = (asked, answer, passOn) => {
    if (asked !== "POST /refresh") return passOn();
    answer.writeHead(503, { "Retry-After": "1", "Content-Type": "application/problem+json" });
    answer.end('{"code":"store_unavailable","detail":"later"}');
  };
  const answers = await Promise.all([1, 2, 3].map(() => lacre.fetch(`${url}/me`)));
  for (const answer of answers) {
    assert.equal(answer.status, 503);
    assert.equal(((await answer.json()) as { code: string }).code, "store_unavailable");
  }
  assert.equal(lacre.loggedIn, true);
  const error = await failure(lacre.call("GET /me"));
  assert.deepEqual([error.code, error.retryAfter], ["store_unavailable", 1_000]);
  front.instead = (_, answer) => answer.destroy();
  await assert.rejects(lacre.fetch(`${url}/me`), TypeError);
  await assert.rejects(lacre.logOut(), TypeError);
  assert.equal(lacre.loggedIn, true);
  front.instead = (_, __, passOn) => passOn();
  assert.equal((await lacre.fetch(`${url}/me`)).status, 200);
});

test("a token goes to the origins that were named, and to no other", async (t) => {
  const service = await Service.start(t);
  const seen: (string | undefined)[] = [];
  const listen = () =>
    serve(t, (asked, answer) => {
      seen.push(asked.headers.authorization);
      answer.writeHead(401, { "WWW-Authenticate": "Bearer" }).end();
    });
  const [named, other] = [await listen(), await listen()];
  const front = new Front();
  const lacre = await service.ada({ url: await front.before(t, service), origins: [named] });
  assert.equal((await lacre.fetch(other)).status, 401);
  assert.deepEqual(seen, [undefined]);
  assert.equal(front.count("POST /refresh"), 0);
  assert.equal((await lacre.fetch(named)).status, 401);
  assert.equal(front.count("POST /refresh"), 1);
  assert.match(seen[1] ?? "", /^Bearer eyJ/);
  assert.notEqual(seen[1], seen[2]);
  // What brings its own proof is left alone.
  seen.length = 0;
  await lacre.fetch(named, { headers: { Authorization: "Basic YTpi" } });
  assert.deepEqual(seen, ["Basic YTpi"]);
});

test("a session that is kept outlives its client, and its end too", async (t) => {
  const service = await Service.start(t);
  const kept = new Map<string, string>();
  const store = {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, value: string) => void kept.set(name, value),
    removeItem: (name: string) => void kept.delete(name),
  };
  const first = await service.ada({ store });
  const second = new Lacre({ url: service.url, hold: "tokens", store });
  assert.equal((await second.call("GET /me")).email, ADA.email);
  service.operator("users", "set", ADA.email, "--role", "admin");
  assert.equal((await first.call("GET /me")).role, "admin");
  assert.equal((await second.call("GET /me")).role, "admin"); // takes what the first has kept
  await second.logOut();
  assert.equal(kept.size, 0);
  kept.set([...kept.keys()][0] ?? `lacre:${service.url}/`, "no JSON");
  assert.equal(new Lacre({ url: service.url, hold: "tokens", store }).loggedIn, false);
});

test("a request that is given up doesn't stop the refresh of the others", async (t) => {
  const service = await Service.start(t, SHORT);
  const front = new Front();
  const lacre = await service.ada({ url: await front.before(t, service) });
  await later(EXPIRED);
  let go = () => {};
  const asked = new Promise<void>((done) => {
    front.instead = (what, _, passOn) => {
      if (what === "POST /refresh") {
        go = passOn;
        done();
      } else passOn();
    };
  });
  const control = new AbortController();
  const givenUp = lacre.call("GET /me", { signal: control.signal });
  const other = lacre.call("GET /me");
  await asked;
  control.abort(new Error("given up"));
  await assert.rejects(givenUp, /given up/);
  go();
  assert.equal((await other).email, ADA.email);
  assert.equal(front.count("POST /refresh"), 1);
});

test("cookies are for pages", () => {
  assert.throws(() => new Lacre({ url: "http://127.0.0.1:1" }), /hold: "tokens"/);
});

async function failure(work: Promise<unknown>): Promise<LacreError> {
  const error = await work.then(
    () => assert.fail("it worked"),
    (error: unknown) => error,
  );
  assert.ok(error instanceof LacreError, String(error));
  return error;
}
