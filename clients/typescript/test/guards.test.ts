// The guards of Express and Fastify: a real application before a real service.
import assert from "node:assert/strict";
import { request as ask } from "node:http";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { Gateway } from "../src/gateway.js";
import type { GatewayError } from "../src/gateway.js";
import { Lacre } from "../src/index.js";
import { APPS } from "./apps.js";
import { ADA, later, PASSWORD, serve, Service } from "./service.js";

/** For a gateway that looks at none. */
const CLIENT = { clientId: "till", clientSecret: "a secret: of % signs" };

/** An application, its service, and Ada's session. */
async function scene(t: TestContext, app: string) {
  const service = await Service.start(t);
  const lacre = await service.ada();
  const errors: GatewayError[] = [];
  const gateway = new Gateway({
    url: service.gateway,
    ...service.client(),
    onUnavailable: (error) => errors.push(error),
  });
  t.after(() => gateway.close());
  const url = await APPS[app]!(t, gateway);
  const token = () => service.token();
  const get = (path: string, token?: string, headers: Record<string, string> = {}) =>
    fetch(url + path, { headers: { ...headers, ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) } });
  return { service, lacre, gateway, errors, url, token, get };
}

const problem = async (answer: Response) => (await answer.json()) as Record<string, unknown>;

for (const app of Object.keys(APPS)) {
  test(`${app}: from 401 to a token, to 200, to its end, to 401`, async (t) => {
    const { service, url, get, token } = await scene(t, app);
    const nobody = await get("/any");
    assert.equal(nobody.status, 401);
    assert.equal(nobody.headers.get("WWW-Authenticate"), 'Bearer realm="lacre"');
    assert.equal(nobody.headers.get("Cache-Control"), "no-store");
    assert.equal((await problem(nobody))["code"], "no_credentials");
    const lacre = new Lacre({ url: service.url, hold: "tokens", origins: [url] });
    await lacre.logIn(ADA);
    const till = await lacre.fetch(`${url}/any`);
    assert.deepEqual([till.status, await till.json()], [200, { user: ADA.email }]);
    const copy = await token();
    assert.equal((await get("/any", copy)).status, 200);
    service.operator("sessions", "revoke", "--user", ADA.email);
    assert.equal((await get("/any", copy)).status, 401);
    assert.equal((await lacre.fetch(`${url}/any`)).status, 401);
    assert.equal(lacre.loggedIn, false);
  });

  test(`${app}: no request that begins after the end is let in, with twenty at once`, async (t) => {
    const { lacre, service, url } = await scene(t, app);
    await lacre.logOut();
    const token = await service.token();
    const headers = { Authorization: `Bearer ${token}` };
    let ended = Infinity;
    let [before, after] = [0, 0];
    const worker = async () => {
      for (let late = 0; late < 5; ) {
        const began = performance.now();
        const { status } = await fetch(`${url}/any`, { headers });
        if (began > ended) {
          late++;
          after++;
          assert.equal(status, 401);
        } else if (status === 200) before++;
      }
    };
    const work = Promise.all(Array.from({ length: 20 }, worker));
    // Not after a time: a busy machine lets in few by then.
    while (before <= 20) await later(10);
    const answer = await fetch(`${service.url}/logout`, { method: "POST", headers });
    ended = performance.now();
    assert.equal(answer.status, 204);
    await work;
    assert.ok(before > 20 && after === 100, `${before} before, ${after} after`);
  });

  test(`${app}: every bad token gets one answer, and no handler runs`, async (t) => {
    const { service, get, token, errors } = await scene(t, app);
    const good = await token();
    const ended = await token();
    service.operator("sessions", "revoke", "--user", ADA.email);
    const texts = new Set<string>();
    for (const bad of [ended, good, "x", "a b", "é", `${good}=`, good.slice(0, -1), "a".repeat(9_000), "a".repeat(16_000 - 400)]) {
      const answer = await get("/any", encodeURI(bad).includes("%C3") ? "\u00e9" : bad);
      assert.equal(answer.status, 401, bad.slice(0, 20));
      texts.add(`${answer.headers.get("WWW-Authenticate")} ${await answer.text()}`);
      assert.equal((await get("/open", bad === "é" ? "\u00e9" : bad)).status, 401);
    }
    assert.equal(texts.size, 1);
    assert.match([...texts][0]!, /^Bearer realm="lacre", error="invalid_token" \{.*"code":"invalid_token"/);
    assert.equal(errors.length, 0);
  });

  test(`${app}: a role, a permission and a fresh log-in are demanded and named`, async (t) => {
    const { service, lacre, get, token } = await scene(t, app);
    const refused = async (path: string, missing: unknown, challenge = "") => {
      const answer = await get(path, await token());
      assert.equal(answer.status, 403, path);
      assert.equal(answer.headers.get("WWW-Authenticate"), `Bearer realm="lacre", error="insufficient_scope"${challenge}`);
      const body = await problem(answer);
      assert.deepEqual([body["code"], body["missing"]], ["insufficient_scope", missing]);
    };
    await refused("/clerk", { role: "clerk" });
    await refused("/staff", { any_role: ["clerk", "manager"] });
    await refused("/till", { permission: "till:open" }, ', scope="till:open"');
    service.operator("users", "set", ADA.email, "--role", "manager", "--permission", "till:open");
    await refused("/clerk", { role: "clerk" });
    await refused("/till", { permission: "till:close" }, ', scope="till:close"');
    assert.equal((await get("/staff", await token())).status, 200);
    service.operator("users", "set", ADA.email, "--permission", "till:close", "--permission", "till:open");
    assert.equal((await get("/till", await token())).status, 200);
    assert.equal((await get("/fresh", await token())).status, 200);
    const own = new Lacre({ url: service.url, hold: "tokens", origins: [new URL((await get("/open")).url).origin] });
    await own.logIn(ADA);
    service.operator("users", "set", ADA.email, "--permission", "a");
    const page = (await get("/open")).url.replace("/open", "/fresh");
    assert.equal(((await problem(await own.fetch(page)))["missing"]), "fresh_login");
    await own.reauth(PASSWORD);
    assert.equal((await own.fetch(page)).status, 200);
    await lacre.logOut();
  });

  test(`${app}: an optional guard lets strangers in, and says who came`, async (t) => {
    const { get, token } = await scene(t, app);
    assert.deepEqual(await (await get("/open")).json(), { user: null });
    assert.deepEqual(await (await get("/open", await token())).json(), { user: ADA.email });
    const other = await get("/open", undefined, { Authorization: "Basic YTpi" });
    assert.deepEqual(await other.json(), { user: null });
    assert.equal((await get("/forgotten", await token())).status, 500);
  });

  test(`${app}: two tokens, or none after the word Bearer, are no request`, async (t) => {
    const { url, token } = await scene(t, app);
    const one = await token();
    const status = async (headers: (string | string[])[][], path = "/page") => {
      const { hostname, port } = new URL(url);
      const flat = headers.flatMap(([name, value]) =>
        (Array.isArray(value) ? value : [value]).flatMap((each) => [String(name), String(each)]));
      return new Promise<number | undefined>((done, failed) => {
        const asked = ask({ hostname, port, path, headers: ["Host", "app.test", ...flat], agent: false }, (answer) => {
          answer.resume();
          done(answer.statusCode);
        });
        asked.on("error", failed).end();
      });
    };
    const bearer = `Bearer ${one}`;
    const cookie = `__Host-lacre_access=${one}`;
    assert.equal(await status([["authorization", bearer]]), 200);
    assert.equal(await status([["authorization", `bearer   ${one}`]]), 200);
    assert.equal(await status([["authorization", [bearer, bearer]]]), 400);
    assert.equal(await status([["authorization", bearer], ["cookie", cookie]]), 400);
    assert.equal(await status([["authorization", bearer], ["cookie", cookie]], "/any"), 200);
    assert.equal(await status([["cookie", `${cookie}; ${cookie}`]]), 400);
    assert.equal(await status([["cookie", [cookie, cookie]]]), 400);
    assert.equal(await status([["authorization", "Bearer"]]), 400);
    assert.equal(await status([["cookie", "__Host-lacre_access="]]), 401);
    assert.equal(await status([["cookie", cookie]], "/any"), 401);
    assert.equal(await status([["cookie", `a=b; ${cookie}`]]), 200);
  });

  test(`${app}: a token in a cookie changes nothing without the word of the browser and of the page`, async (t) => {
    const { url, token } = await scene(t, app);
    const cookie = `__Host-lacre_access=${await token()}; __Host-lacre_csrf=value`;
    const post = async (headers: Record<string, string>) => {
      const { hostname, port, host } = new URL(url);
      return new Promise<number | undefined>((done, failed) => {
        const how = { hostname, port, method: "POST", path: "/page", headers: { Host: host, Cookie: cookie, ...headers }, agent: false as const };
        const asked = ask(how, (answer) => {
          answer.resume();
          done(answer.statusCode);
        });
        asked.on("error", failed).end();
      });
    };
    const own = { "X-CSRF-TOKEN": "value", "Sec-Fetch-Site": "same-origin" };
    const { "Sec-Fetch-Site": _, ...old } = own;
    assert.equal(await post(own), 200);
    assert.equal(await post({ ...own, "Sec-Fetch-Site": "none" }), 200);
    assert.equal(await post({ ...old, Origin: url }), 200);
    for (const forged of [
      {},
      { "Sec-Fetch-Site": "same-origin" },
      { ...own, "X-CSRF-TOKEN": "valuf" },
      { ...own, "X-CSRF-TOKEN": "" },
      { ...own, "Sec-Fetch-Site": "same-site" },
      { ...own, "Sec-Fetch-Site": "cross-site" },
      { ...own, "Sec-Fetch-Site": "cross-site", Origin: url },
      old, // a browser that says nothing
      { ...old, Origin: "http://localhost:1" },
      { ...old, Origin: "null" },
      { ...own, Cookie: `${cookie}; __Host-lacre_csrf=other` },
      { ...own, Cookie: cookie.split(";")[0]! },
    ] as Record<string, string>[]) {
      assert.equal(await post(forged), 403, JSON.stringify(forged));
    }
  });

  test(`${app}: where the service can't be asked, the answer is 503`, async (t) => {
    const { service, get, token, errors } = await scene(t, app);
    const one = await token();
    assert.equal((await get("/any", one)).status, 200);
    await service.stop();
    for (const path of ["/any", "/open", "/clerk"]) {
      const answer = await get(path, one);
      assert.equal(answer.status, 503, path);
      assert.equal(answer.headers.get("Retry-After"), "1");
      assert.equal((await problem(answer))["code"], "service_unreachable");
    }
    assert.equal((await get("/any")).status, 401);
    assert.equal((await get("/open")).status, 200);
    assert.equal(errors.length, 3);
    for (const { message } of errors) assert.ok(!message.includes(one.slice(0, 30)), message);
  });

  test(`${app}: whatever a gateway says that isn't a clear yes or no is 503`, async (t) => {
    const answers: [number, string][] = [
      [200, ""], [200, "null"], [200, "{}"], [200, "[]"], [200, "true"], [200, '{"active":"true","sub":"a","sid":"b"}'],
      [200, '{"active":1,"sub":"a","sid":"b"}'], [200, '{"active":true}'], [200, '{"active":true,"sub":"a"}'],
      [200, '{"active":true,"sub":1,"sid":"b"}'], [200, "<html>"], [204, ""], [302, ""], [400, "{}"], [401, '{"error":"invalid_client"}'],
      [403, '{"active":true,"sub":"a","sid":"b"}'], [404, ""], [500, ""], [503, '{"active":false}'], [200, " ".repeat(70_000)],
    ];
    let next: [number, string] = [200, ""];
    const url = await serve(t, (_, answer) => answer.writeHead(next[0], { Location: "/" }).end(next[1]));
    const said: string[] = [];
    const gateway = new Gateway({ url, ...CLIENT, onUnavailable: (error) => said.push(error.message) });
    t.after(() => gateway.close());
    const back = await APPS[app]!(t, gateway);
    for (next of answers) {
      const answer = await fetch(`${back}/any`, { headers: { Authorization: "Bearer a" } });
      assert.equal(answer.status, 503, next.join(" "));
    }
    assert.equal(said.length, answers.length);
    assert.ok(said.includes("the gateway answered 401 (invalid_client)"), said.join("\n"));
    next = [200, '{"active":false,"sub":"a"}'];
    assert.equal((await fetch(`${back}/any`, { headers: { Authorization: "Bearer a" } })).status, 401);
  });
}
