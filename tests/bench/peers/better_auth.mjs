// A guarded route as one builds it of Express and better-auth with its sessions in SQLite.
//
//     better_auth.mjs
//
// Set up as the documentation has it: `toNodeHandler` for its own routes, `auth.api.getSession` in front of the handler,
// log-in by e-mail and password. Prints its address as `listening A`. LACRE_BENCH_DATA is the folder of the database,
// LACRE_BENCH_DIR says where the packages are.

import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const find = createRequire(`${process.env.LACRE_BENCH_DIR}/`)
const load = (name) => import(pathToFileURL(find.resolve(name)))
const { default: express } = await load('express')
const { default: Database } = await load('better-sqlite3')
const { betterAuth } = await load('better-auth')
const { getMigrations } = await load('better-auth/db/migration')
const { fromNodeHeaders, toNodeHandler } = await load('better-auth/node')

const address = `http://127.0.0.1:${process.env.BENCH_PORT}`
const auth = betterAuth({
  baseURL: address,
  secret: 'a secret that is long enough for better-auth',
  database: new Database(`${process.env.LACRE_BENCH_DATA}/database.sqlite`),
  emailAndPassword: { enabled: true },
  telemetry: { enabled: false },
})
const { runMigrations } = await getMigrations(auth.options)
await runMigrations()

const app = express()
app.disable('x-powered-by')
app.all('/api/auth/*splat', toNodeHandler(auth))
app.get('/guarded', async (request, response) => {
  const session = await auth.api.getSession({ headers: fromNodeHeaders(request.headers) })
  if (!session) return response.status(401).end()
  response.type('text').send('Access Granted')
})
app.listen(Number(process.env.BENCH_PORT), '127.0.0.1', () => console.log(`listening ${address}`))
