// Says how large the browser part is, and fails where README.md promises less.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { buildSync } from "esbuild";

const at = (path) => new URL(`../${path}`, import.meta.url);

const built = buildSync({
  entryPoints: [at("src/index.ts").pathname],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  write: false,
});
const kilobytes = (bytes) => (Math.ceil(bytes / 100) / 10).toFixed(1);
const code = built.outputFiles[0].contents;
const is = `${kilobytes(code.length)} kB minified, ${kilobytes(gzipSync(code, { level: 9 }).length)} kB compressed`;
console.log(`the browser part: ${is}`);
if (!readFileSync(at("README.md"), "utf8").includes(is)) {
  console.error("README.md states another size");
  process.exit(1);
}
