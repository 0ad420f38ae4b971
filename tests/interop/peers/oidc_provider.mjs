// A real OpenID provider on loopback. The first line that it prints is its issuer; then it does what the
// lines of its input say, and prints a line for each:
//
//   login SUBJECT   the authorization code flow of SUBJECT, and the ID token that it ends with
//   rotate KID      from now on it publishes and uses one new key of this name
//
// LACRE_INTEROP_DIR is where its package is installed.

import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

// Its notices are no answers.
console.info = console.warn;
const require = createRequire(`${process.env.LACRE_INTEROP_DIR}/`);
const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));

const CALLBACK = 'http://127.0.0.1:1/callback';
let answer;
const server = createServer((request, response) => answer(request, response));
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const issuer = `http://127.0.0.1:${server.address().port}`;

function provide(kid) {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = { ...privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' };
  const provider = new Provider(issuer, {
    jwks: { keys: [key] },
    cookies: { keys: ['a', 'b'] },
    features: { devInteractions: { enabled: false } },
    clients: [{
      client_id: 'lacre', client_secret: 'a secret of the client', redirect_uris: [CALLBACK],
    }],
    claims: { openid: ['sub', 'email', 'email_verified', 'name'] },
    conformIdTokenClaims: false,
    findAccount: (_, sub) => ({
      accountId: sub,
      claims: () => ({ sub, email: `${sub}@corp.example`, email_verified: true, name: sub }),
    }),
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    // Nobody is asked for consent.
    async loadExistingGrant(ctx) {
      const { client, session } = ctx.oidc;
      const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
      grant.addOIDCScope('openid');
      await grant.save();
      return grant;
    },
  });
  const callback = provider.callback();
  answer = async (request, response) => {
    if (!request.url.startsWith('/interaction/')) return callback(request, response);
    const login = { accountId: request.headers['x-subject'] };
    return provider.interactionFinished(request, response, { login });
  };
}

// What a browser does, with its cookies and its redirects.
async function login(subject) {
  const jar = new Map();
  const verifier = randomBytes(32).toString('base64url');
  const question = new URLSearchParams({
    client_id: 'lacre', redirect_uri: CALLBACK, response_type: 'code', scope: 'openid',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  });
  let url = `${issuer}/auth?${question}`;
  while (!url.startsWith(CALLBACK)) {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const found = await fetch(url, { redirect: 'manual', headers: { cookie, 'x-subject': subject } });
    for (const line of found.headers.getSetCookie()) {
      const [pair] = line.split(';');
      jar.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
    }
    const next = found.headers.get('location');
    if (next === null) throw new Error(`${url}: ${found.status} ${await found.text()}`);
    url = new URL(next, issuer).href;
  }
  const code = new URL(url).searchParams.get('code');
  const basic = Buffer.from('lacre:a+secret+of+the+client').toString('base64');
  const tokens = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${basic}` },
    body: new URLSearchParams({
      grant_type: 'authorization_code', code, redirect_uri: CALLBACK, code_verifier: verifier,
    }),
  });
  const body = await tokens.json();
  if (body.id_token === undefined) throw new Error(JSON.stringify(body));
  return body.id_token;
}

provide('first');
console.log(issuer);
for await (const line of createInterface({ input: process.stdin })) {
  const [verb, word] = line.split(' ');
  if (verb === 'rotate') provide(word);
  console.log(verb === 'login' ? await login(word) : 'done');
}
process.exit(0);
