// An authorization server as one builds it of express-session with its store in Redis.
//
//     express_session.mjs
//
// Prints its address as `listening A`. BENCH_REDIS is the store, LACRE_BENCH_DIR says where the packages are.

import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const find = createRequire(`${process.env.LACRE_BENCH_DIR}/`)
const load = (name) => import(pathToFileURL(find.resolve(name)))
const { default: express } = await load('express')
const { default: session } = await load('express-session')
const { RedisStore } = await load('connect-redis')
const { createClient } = await load('redis')

const client = await createClient({ url: process.env.BENCH_REDIS }).connect()
const app = express()
app.disable('x-powered-by')
app.use(session({
  store: new RedisStore({ client, disableTouch: true }),
  secret: 'a secret that is long enough for this',
  resave: false,
  saveUninitialized: false,
}))
app.post('/log-in', (request, response) => {
  Object.assign(request.session, { user: 'ada', email: 'ada@example.com', roles: ['user'] })
  response.end()
})
app.all('/authz/redis', (request, response) => {
  const { user, email } = request.session
  if (!user) return response.status(401).end()
  response.set({ 'Remote-User': user, 'Remote-Email': email }).end()
})
const server = app.listen(0, '127.0.0.1', () => {
  console.log(`listening http://127.0.0.1:${server.address().port}`)
})
