// An authorization server, and a guarded route, as one builds them of express-session with its store in Redis.
//
//     express_session.mjs
//
// Prints its address as `listening A`. BENCH_REDIS is the store, LACRE_BENCH_DIR says where the packages are. With
// BENCH_TOUCH each request prolongs its session, as the documentation of the store has it.

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
  store: new RedisStore({ client, disableTouch: !process.env.BENCH_TOUCH }),
  secret: 'a secret that is long enough for this',
  resave: false,
  saveUninitialized: false,
}))
app.post('/log-in', (request, response) => {
  Object.assign(request.session, { user: 'ada', email: 'ada@example.com', roles: ['user'] })
  response.end()
})
app.post('/log-out', (request, response, next) => {
  request.session.destroy((error) => error ? next(error) : response.end())
})
app.get('/guarded', (request, response) => {
  if (!request.session.user) return response.status(401).end()
  response.type('text').send('Access Granted')
})
app.all('/authz/redis', (request, response) => {
  const { user, email } = request.session
  if (!user) return response.status(401).end()
  response.set({ 'Remote-User': user, 'Remote-Email': email }).end()
})
const server = app.listen(0, '127.0.0.1', () => {
  console.log(`listening http://127.0.0.1:${server.address().port}`)
})
