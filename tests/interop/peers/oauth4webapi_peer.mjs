// oauth4webapi as a client of the gateway. Input and output are those of authlib_peer.py.
//
// LACRE_INTEROP_DIR is where its package is installed.

import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(`${process.env.LACRE_INTEROP_DIR}/`);
const oauth = await import(pathToFileURL(require.resolve('oauth4webapi')));
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { base, issuer, id, secret } = JSON.parse((await lines.next()).value);

// The issuer's name leads nowhere in a test; what it is asked for is at the gateway.
const options = {
  [oauth.allowInsecureRequests]: true,
  [oauth.customFetch]: (url, init) => fetch(`${url}`.replace(issuer, base), init),
};
const name = new URL(issuer);
const found = await oauth.discoveryRequest(name, { algorithm: 'oauth2', ...options });
const server = await oauth.processDiscoveryResponse(name, found);
const client = { client_id: id };
const methods = {
  client_secret_basic: oauth.ClientSecretBasic(secret),
  client_secret_post: oauth.ClientSecretPost(secret),
};

async function answer({ introspect, revoke, jwt, audience, method }) {
  if (jwt !== undefined) {
    const headers = { authorization: `Bearer ${jwt}` };
    const request = new Request('http://wiki.test/', { headers });
    try {
      return await oauth.validateJwtAccessToken(server, request, audience, options);
    } catch (error) {
      return { error: error.name };
    }
  }
  if (revoke !== undefined) {
    const done = await oauth.revocationRequest(server, client, methods[method], revoke, options);
    const { status } = done;
    await oauth.processRevocationResponse(done);
    return { status };
  }
  const told = await oauth.introspectionRequest(server, client, methods[method], introspect, options);
  return oauth.processIntrospectionResponse(server, client, told);
}

for await (const line of lines) {
  console.log(JSON.stringify(await answer(JSON.parse(line))));
}
