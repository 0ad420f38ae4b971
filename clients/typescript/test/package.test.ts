// What is published: each entrance loads by the package's own name, and needs nothing else.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const described = JSON.parse(read("package.json")) as Record<string, Record<string, { types: string; default: string }>>;

test("each entrance of the package is there, with its types", async () => {
  const names: Record<string, string[]> = {
    ".": ["Lacre", "LacreError"],
    "./gateway": ["Gateway", "GatewayError"],
    "./express": ["Gateway", "GatewayError", "guard", "session"],
    "./fastify": ["Gateway", "GatewayError", "guard", "session"],
  };
  assert.deepEqual(Object.keys(described["exports"]!), Object.keys(names));
  for (const [path, { types }] of Object.entries(described["exports"]!)) {
    const loaded = (await import(path.replace(".", "lacre"))) as object;
    assert.deepEqual(Object.keys(loaded).sort(), names[path]);
    assert.ok(read(types).length > 0);
  }
});

test("nothing is depended on at run time", () => {
  assert.equal(described["dependencies"], undefined);
  const files = ["express", "fastify", "gateway", "guard", "locate", "index", "client", "cookies", "tokens", "turns", "waiting", "problem"];
  for (const file of files) {
    const imported = [...read(`dist/${file}.js`).matchAll(/from "([^"]+)"/g)].map(([, name]) => name!);
    const foreign = imported.filter((name) => !name.startsWith("./") && !name.startsWith("node:"));
    assert.deepEqual(foreign, [], file);
    const ofNode = imported.filter((name) => name.startsWith("node:"));
    if (!["express", "fastify", "gateway", "guard", "locate"].includes(file)) assert.deepEqual(ofNode, [], file);
  }
});
