// Writes src/api.ts from docs/openapi.json; with `--check` says whether it is up to date.
//
//     node scripts/types.js [--check]
//
// It understands what the document uses of JSON Schema, and ends with an error at anything else,
// so that a new keyword can't become a wrong type.
import { readFileSync, writeFileSync } from "node:fs";

const source = new URL("../../../docs/openapi.json", import.meta.url);
const target = new URL("../src/api.ts", import.meta.url);
const METHODS = ["get", "put", "post", "delete", "patch"];
/** Keywords that say nothing about the type. */
const SILENT = new Set(["description", "format", "minimum", "maximum", "pattern", "minLength",
  "maxLength", "default", "additionalProperties", "required", "properties", "type", "items",
  "maxItems", "minItems"]);

const document = JSON.parse(readFileSync(source, "utf8"));

/** The members that a schema of the form `{required: […]}` demands. */
const demanded = (schema) => (Object.keys(schema).join() === "required" ? schema.required : undefined);

function typeOf(schema, required = schema.required ?? []) {
  const { anyOf, oneOf, enum: values, const: value, ...rest } = schema;
  for (const keyword of Object.keys(rest)) {
    if (!SILENT.has(keyword)) throw new Error(`docs/openapi.json: "${keyword}" is not understood`);
  }
  if (values) return values.map((one) => JSON.stringify(one)).join(" | ");
  if (value !== undefined) return JSON.stringify(value);
  if (anyOf) return union(anyOf.map((one) => typeOf(one)));
  // Of these one has to be there: a type for each.
  if (oneOf?.every(demanded)) {
    return union(oneOf.map((one) => typeOf(rest, [...required, ...demanded(one)])));
  }
  if (oneOf) return union(oneOf.map((one) => typeOf(one)));
  switch (schema.type) {
    case "string":
    case "boolean":
    case "null":
      return schema.type;
    case "integer":
    case "number":
      return "number";
    case "array": {
      const item = typeOf(schema.items ?? {});
      return / [|&] /.test(item) ? `(${item})[]` : `${item}[]`;
    }
    case "object":
      return schema.properties ? members(schema.properties, required) : "Record<string, unknown>";
    case undefined:
      return "unknown";
    default:
      throw new Error(`docs/openapi.json: the type "${schema.type}" is not understood`);
  }
}

function members(properties, required) {
  const lines = Object.entries(properties).map(([name, schema]) =>
    `${name}${required.includes(name) ? "" : "?"}: ${typeOf(schema)}`);
  return `{ ${lines.join("; ")} }`;
}

const union = (types) => [...new Set(types)].join(" | ");

const named = (value) => {
  const name = value.$ref?.split("/").slice(1);
  return name ? name.reduce((inside, part) => inside[part], document) : value;
};

/** The parameters of a kind as the type of an object, and whether it may be left out. */
function parameters(all, place) {
  const found = all.map(named).filter((one) => one.in === place);
  if (found.length === 0) return [];
  const properties = Object.fromEntries(found.map((one) => [one.name, one.schema]));
  const required = found.filter((one) => one.required).map((one) => one.name);
  const mark = required.length === 0 ? "?" : "";
  return [`    ${place}${mark}: ${members(properties, required)};`];
}

function answer(operation) {
  const types = Object.entries(operation.responses)
    .filter(([status]) => status.startsWith("2"))
    .map(([, response]) => {
      const content = named(response).content;
      if (!content) return "undefined";
      return content["application/json"] ? typeOf(content["application/json"].schema) : "string";
    });
  return union(types);
}

function codes(operation) {
  const found = new Set();
  for (const response of Object.values(operation.responses)) {
    const schema = named(response).content?.["application/problem+json"]?.schema;
    for (const code of schema?.properties?.code?.enum ?? []) found.add(code);
  }
  return [...found];
}

const routes = [];
const all = new Set();
for (const [path, item] of Object.entries(document.paths)) {
  for (const method of METHODS.filter((one) => item[one])) {
    const operation = item[method];
    const given = [...(item.parameters ?? []), ...(operation.parameters ?? [])];
    const body = operation.requestBody && named(operation.requestBody);
    const schema = body?.content["application/json"].schema;
    const these = codes(operation);
    these.forEach((code) => all.add(code));
    routes.push(
      `  /** ${operation.summary} */`,
      `  "${method.toUpperCase()} ${path}": {`,
      ...parameters(given, "path"),
      ...parameters(given, "query"),
      ...(schema ? [`    body${body.required ? "" : "?"}: ${typeOf(schema)};`] : []),
      `    answer: ${answer(operation)};`,
      `    codes: ${these.map((code) => `"${code}"`).join(" | ")};`,
      "  };",
    );
  }
}
const text = [
  "// Made from docs/openapi.json by scripts/types.js; don't edit it by hand.",
  "",
  "/** What each route takes and answers, and the codes of its errors. */",
  "export interface Routes {",
  ...routes,
  "}",
  "",
  "/** The stable name of an error of the service. */",
  "export type Code =",
  ...[...all].sort().map((code) => `  | "${code}"`),
].join("\n") + ";\n";

if (process.argv.includes("--check")) {
  if (readFileSync(target, "utf8") !== text) {
    console.error("src/api.ts is not what docs/openapi.json says: run the test with LACRE_BLESS=1, or `npm run types`");
    process.exit(1);
  }
} else {
  writeFileSync(target, text);
}
