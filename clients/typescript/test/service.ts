// The real program as a child process, and a proxy before it that counts and that may fail.
import { spawn, execFileSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, request } from "node:http";
import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";
import { Lacre } from "../src/index.js";
import type { Options } from "../src/index.js";

export const PASSWORD = "correct horse battery staple";
export const ADA = { email: "ada@example.com", password: PASSWORD };

const BINARY = process.env["LACRE_BIN"] ?? new URL("../../../../target/debug/lacre", import.meta.url).pathname;

/** `lacre serve --dev` on free ports; ends with the test. */
export class Service {
  readonly home = mkdtempSync(join(tmpdir(), "lacre-"));
  readonly #environment: Record<string, string>;
  #child: ChildProcess | undefined;
  url = "";
  gateway = "";

  private constructor(settings: Record<string, string>) {
    this.#environment = {
      LACRE_TOKEN__ISSUER: "http://lacre.test",
      LACRE_DATA_DIR: join(this.home, "data"),
      LACRE_GATEWAY__LISTEN: "127.0.0.1:0",
      ...settings,
    };
  }

  static async start(test: TestContext, settings: Record<string, string> = {}): Promise<Service> {
    const service = new Service(settings);
    test.after(async () => {
      await service.stop();
      rmSync(service.home, { recursive: true });
    });
    await service.start();
    return service;
  }

  async start(): Promise<void> {
    const words = ["serve", "--dev", "--listen", "127.0.0.1:0", "--management-listen", "127.0.0.1:0"];
    const child = spawn(BINARY, words, {
      cwd: this.home,
      env: this.#environment,
      stdio: ["ignore", "pipe", process.env["LACRE_TEST_LOG"] ? "inherit" : "ignore"],
    });
    this.#child = child;
    for await (const line of createInterface(child.stdout)) {
      if (line.startsWith("gateway on ")) this.gateway = line.slice("gateway on ".length);
      if (line.startsWith("listening on ")) {
        this.url = line.slice("listening on ".length);
        child.stdout.resume();
        return;
      }
    }
    throw new Error("the service didn't start");
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((done) => child.once("exit", done));
    child.kill(signal);
    await ended;
  }

  /** Freezes it, so that it takes connections and answers nothing; undone by what is returned. */
  freeze(): () => void {
    this.#child?.kill("SIGSTOP");
    // Its threads stop one after the other, and may answer until then.
    const tasks = `/proc/${this.#child?.pid}/task`;
    const runs = (task: string) => !/\) T /.test(readFileSync(`${tasks}/${task}/stat`, "utf8"));
    while (readdirSync(tasks).some(runs));
    return () => this.#child?.kill("SIGCONT");
  }

  operator(...words: string[]): string {
    return execFileSync(BINARY, words, { cwd: this.home, env: this.#environment, encoding: "utf8" });
  }

  /** The credentials of a new back end. */
  client(): { clientId: string; clientSecret: string } {
    const { id, secret } = JSON.parse(this.operator("clients", "add", "till", "--json")) as { id: string; secret: string };
    return { clientId: id, clientSecret: secret };
  }

  /** A new access token of Ada's, who has an account. */
  async token(): Promise<string> {
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch(`${this.url}/getToken`, { method: "POST", headers, body: JSON.stringify(ADA) });
    return ((await answer.json()) as { auth: string }).auth;
  }

  /** A session of Ada's in a program. */
  async ada(options: Options = {}): Promise<Lacre> {
    const lacre = new Lacre({ url: this.url, hold: "tokens", ...options });
    await new Lacre({ url: this.url, hold: "tokens" }).signUp(ADA).catch(() => undefined);
    await lacre.logIn(ADA);
    return lacre;
  }
}

/** A server of this process; ends with the test. */
export async function serve(test: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  return listening(test, server);
}

export async function listening(test: TestContext, server: Server): Promise<string> {
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  test.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Passes requests on to the service and notes them; `instead` may answer one itself. */
export class Front {
  readonly seen: string[] = [];
  instead: (asked: string, answer: ServerResponse, passOn: () => void) => void = (_, __, passOn) => passOn();

  async before(test: TestContext, service: Service): Promise<string> {
    return serve(test, (from, to) => {
      const asked = `${from.method} ${from.url}`;
      this.seen.push(asked);
      this.instead(asked, to, () => pass(from, to, service.url));
    });
  }

  count(asked: string): number {
    return this.seen.filter((one) => one === asked).length;
  }
}

function pass(from: IncomingMessage, to: ServerResponse, url: string): void {
  const { hostname, port } = new URL(url);
  const on = request(
    { hostname, port, method: from.method, path: from.url, headers: from.headers, agent: false },
    (answer) => {
      if (!to.headersSent && !to.destroyed) to.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(to);
    },
  );
  on.on("error", () => to.destroy());
  from.pipe(on);
}

export const later = (milliseconds: number): Promise<void> =>
  new Promise((done) => setTimeout(done, milliseconds));
