// Requests that are sent again, to a server that is busy.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { Lacre } from "../src/index.js";
import { pause, RETRY, retryAfter } from "../src/waiting.js";
import { serve } from "./service.js";

/** Answers so for the first times, then 200; counts. */
async function busy(t: TestContext, times: number, status: number, headers: Record<string, string>) {
  const count = { seen: 0, at: [] as number[], url: "" };
  count.url = await serve(t, (_, answer) => {
    count.at.push(Date.now());
    if (count.seen++ < times) answer.writeHead(status, headers).end();
    else answer.end("done");
  });
  return count;
}

const asking = (url: string, retry?: { times?: number; longest?: number } | false) =>
  new Lacre({ url, hold: "tokens", ...(retry === undefined ? {} : { retry }) });

test("a busy server is asked again when it says, and not before", async (t) => {
  for (const status of [503, 429]) {
    const server = await busy(t, 1, status, { "Retry-After": "1" });
    const answer = await asking(server.url).fetch(server.url);
    assert.equal(await answer.text(), "done");
    const [first = 0, second = 0] = server.at;
    assert.ok(second - first >= 995, `${second - first} ms`);
  }
});

test("no more than twice, and not at all where the wait is long or the method changes something", async (t) => {
  const always = await busy(t, 99, 503, {});
  assert.equal((await asking(always.url).fetch(always.url, { method: "DELETE" })).status, 503);
  assert.equal(always.seen, 3);
  const slow = await busy(t, 99, 503, { "Retry-After": "11" });
  assert.equal((await asking(slow.url).fetch(slow.url)).status, 503);
  assert.equal(slow.seen, 1);
  const unknown = await busy(t, 99, 429, {});
  assert.equal((await asking(unknown.url).fetch(unknown.url)).status, 429);
  assert.equal(unknown.seen, 1);
  for (const [method, retry] of [["POST", undefined], ["PATCH", undefined], ["GET", false]] as const) {
    const server = await busy(t, 99, 503, { "Retry-After": "0" });
    assert.equal((await asking(server.url, retry).fetch(server.url, { method })).status, 503);
    assert.equal(server.seen, 1, method);
  }
  for (const status of [500, 502, 504, 404]) {
    const server = await busy(t, 99, status, { "Retry-After": "0" });
    assert.equal((await asking(server.url).fetch(server.url)).status, status);
    assert.equal(server.seen, 1);
  }
});

test("who gives up while waiting is told so at once", async (t) => {
  const server = await busy(t, 99, 503, { "Retry-After": "9" });
  const began = Date.now();
  const signal = AbortSignal.timeout(100);
  await assert.rejects(asking(server.url).fetch(server.url, { signal }), { name: "TimeoutError" });
  assert.ok(Date.now() - began < 2_000);
});

test("Retry-After is seconds or a date", () => {
  const now = Date.parse("Wed, 21 Oct 2026 07:28:00 GMT");
  const read = (value: string) => retryAfter(new Headers({ "Retry-After": value }), now);
  assert.equal(read("3"), 3_000);
  assert.equal(read("0"), 0);
  assert.equal(read("Wed, 21 Oct 2026 07:28:05 GMT"), 5_000);
  assert.equal(read("Wed, 21 Oct 2026 07:27:00 GMT"), 0);
  for (const value of ["", "soon", "-1", "1.5", "2026-10-21", "Wed, nonsense"]) {
    assert.equal(read(value), undefined, value);
  }
});

test("whatever Retry-After says, nobody waits longer than allowed, nor asks at once for ever", async (t) => {
  const long = ["9".repeat(400), "1e9", "Infinity", "0x10", "-0", "1, 1", "Thu, 01 Jan 9999 00:00:00 GMT", "\u00b2"];
  for (const value of long) {
    const server = await busy(t, 99, 503, { "Retry-After": value });
    const began = Date.now();
    assert.equal((await asking(server.url, { longest: 700 }).fetch(server.url)).status, 503, value);
    assert.ok(Date.now() - began < 3_000, value);
    assert.ok(server.seen <= 2, `${value}: ${server.seen}`);
  }
  for (const value of ["0", "Thu, 01 Jan 1970 00:00:00 GMT"]) {
    const server = await busy(t, 99, 429, { "Retry-After": value });
    assert.equal((await asking(server.url).fetch(server.url)).status, 429);
    assert.equal(server.seen, 3, value);
  }
});

test("waits differ, are never shorter than asked for, and hardly longer", () => {
  const answer = { status: 503, headers: new Headers({ "Retry-After": "5" }) };
  const waits = Array.from({ length: 100 }, () => pause("GET", answer, 1, RETRY) ?? 0);
  assert.ok(waits.every((wait) => wait >= 5_000 && wait <= 6_000));
  assert.ok(new Set(waits).size > 90);
  const silent = { status: 503, headers: new Headers() };
  const growing = [1, 2].map((sent) => Math.floor((pause("GET", silent, sent, RETRY) ?? 0) / 500));
  assert.deepEqual(growing, [1, 2]);
});
