// A gateway listener's introspection and revocation, where the service has none: it asks the real
// service about each token.
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { Answer } from "../src/index.js";

export const CLIENT = { clientId: "till", clientSecret: "a secret: of % signs" };

export function standIn(service: string): Server {
  return createServer((asked, answer) => {
    let text = "";
    asked.on("data", (chunk: Buffer) => (text += chunk.toString()));
    asked.on("end", () => {
      const say = (status: number, body: unknown) =>
        answer.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
      const pair = Buffer.from(asked.headers.authorization?.slice("Basic ".length) ?? "", "base64").toString();
      const [id, secret] = pair.split(":").map(decodeURIComponent);
      if (id !== CLIENT.clientId || secret !== CLIENT.clientSecret) return say(401, { error: "invalid_client" });
      const token = new URLSearchParams(text).get("token") ?? "";
      if (token.length > 8192) return say(400, { error: "invalid_request" });
      const headers = { Authorization: `Bearer ${token}` };
      const decide = async () => {
        if (asked.url === "/oauth2/revoke") {
          await fetch(`${service}/logout`, { method: "POST", headers });
          return say(200, {});
        }
        const me = await fetch(`${service}/me`, { headers });
        if (me.status === 401) return say(200, { active: false });
        if (me.status !== 200) return say(503, { error: "temporarily_unavailable" });
        const { id: sub, email, roles, permissions, session } = (await me.json()) as Answer<"GET /me">;
        const { crt: sid, fresh } = session;
        return say(200, {
          active: true, scope: permissions.join(" "), username: email, token_type: "Bearer",
          exp: 2_000_000_000, sub, sid, roles, fresh,
        });
      };
      decide().catch(() => say(503, { error: "temporarily_unavailable" }));
    });
  });
}
