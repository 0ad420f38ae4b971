// The same handler in Fastify, without a guard and behind one of panva/jose.
//
//     fastify_jose.mjs
//
// Prints a token as `token T` and its address as `listening A`. The key is imported once; what a
// request costs is the opening of its token and the checks of issuer, audience and expiry. The
// token has the same claims and algorithms as lacre's, and no inner signature: less work, not more.
// LACRE_BENCH_DIR says where the packages are.

import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const find = createRequire(`${process.env.LACRE_BENCH_DIR}/`)
const load = (name) => import(pathToFileURL(find.resolve(name)))
const jose = await load('jose')
const { default: Fastify } = await load('fastify')

const ALG = 'ECDH-ES+A256KW'
const ENC = 'A256CBC-HS512'
const issuer = 'http://127.0.0.1:8080'
const audience = 'lacre'
const { publicKey, privateKey } = await jose.generateKeyPair(ALG, { crv: 'P-256' })
const options = {
  issuer,
  audience,
  keyManagementAlgorithms: [ALG],
  contentEncryptionAlgorithms: [ENC],
  requiredClaims: ['exp'],
}
const claims = JSON.parse(process.env.LACRE_BENCH_CLAIMS)
const token = await new jose.EncryptJWT(claims)
  .setProtectedHeader({ alg: ALG, enc: ENC, typ: 'JWE', kid: claims.sid })
  .encrypt(publicKey)

const app = Fastify()
app.decorateRequest('claims', null)

async function guard(request, reply) {
  const [scheme, presented] = (request.headers.authorization ?? '').split(' ')
  try {
    if (scheme !== 'Bearer') throw new Error('no token')
    request.claims = (await jose.jwtDecrypt(presented, privateKey, options)).payload
  } catch {
    return reply.code(401).send()
  }
}

const handler = async () => 'Access Granted'
app.get('/plain', handler)
app.get('/guarded', { onRequest: guard }, handler)
const address = await app.listen({ host: '127.0.0.1', port: 0 })
console.log(`token ${token}`)
console.log(`listening ${address}`)
