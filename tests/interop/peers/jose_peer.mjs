// The peer on panva/jose: seals or opens tokens, one a line.
//
//     jose_peer.mjs seal|open < lines
//
// The first line is an object with the private JWKs of the session (`recipient`) and of the signer
// (`signer`), the `kid` and the inner `typ`. `seal` takes claims and prints tokens; `open` takes
// tokens and prints claims, or `null` for what it refuses. LACRE_INTEROP_DIR says where jose is.

import { webcrypto } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

// Node 18 has these, but not under their names.
globalThis.crypto ??= webcrypto
globalThis.CryptoKey ??= webcrypto.CryptoKey
const found = createRequire(`${process.env.LACRE_INTEROP_DIR}/`).resolve('jose')
const jose = await import(pathToFileURL(found))

const ALG = 'ECDH-ES+A256KW'
const ENC = 'A256CBC-HS512'
const publicHalf = ({ kty, crv, x, y }) => ({ kty, crv, x, y })

const lines = readFileSync(0, 'utf8').split('\n')
lines.pop()
const setting = JSON.parse(lines.shift())
const keys = {
  sealing: await jose.importJWK(publicHalf(setting.recipient), ALG),
  opening: await jose.importJWK(setting.recipient, ALG),
  signing: await jose.importJWK(setting.signer, 'ES256'),
  verifying: await jose.importJWK(publicHalf(setting.signer), 'ES256'),
}
const utf8 = new TextEncoder()

async function seal(line) {
  const inner = await new jose.CompactSign(utf8.encode(JSON.stringify(JSON.parse(line))))
    .setProtectedHeader({ alg: 'ES256', typ: setting.typ, kid: setting.signer.kid })
    .sign(keys.signing)
  return new jose.CompactEncrypt(utf8.encode(inner))
    .setProtectedHeader({ alg: ALG, enc: ENC, typ: 'JWE', cty: 'JWT', kid: setting.kid })
    .encrypt(keys.sealing)
}

async function open(line) {
  try {
    const outer = await jose.compactDecrypt(line, keys.opening, {
      keyManagementAlgorithms: [ALG],
      contentEncryptionAlgorithms: [ENC],
    })
    const inner = await jose.compactVerify(outer.plaintext, keys.verifying, { algorithms: ['ES256'] })
    if (inner.protectedHeader.typ !== setting.typ) return 'null'
    return JSON.stringify(JSON.parse(new TextDecoder().decode(inner.payload)))
  } catch {
    return 'null'
  }
}

const work = process.argv[2] === 'seal' ? seal : open
for (const line of lines) console.log(await work(line))
