import type { Access } from '../../src/http/access.ts'
import { boardRoutes } from '../../src/http/dashboard.ts'
import { createFailures } from '../../src/http/failures.ts'
import { createRoutes, type HttpDeps } from '../../src/http/server.ts'
import { createSessions } from '../../src/http/sessions.ts'

export interface Route {
  method: string
  path: string
}

/** Every route of the server and of its dashboard, with the names of its parameters in the path. */
export async function allRoutes(deps: HttpDeps): Promise<Route[]> {
  const access: Access = {
    tokens: deps.opsTokens,
    sessions: createSessions(),
    failures: createFailures(),
    origins: () => [],
    secure: false,
    metricsToken: null,
  }
  return [...(await createRoutes(deps, access, () => 0)).routes, ...boardRoutes(deps)]
}

/** Those of them that change something, each once, with `id` for each parameter; the dashboard's queue is `sync`. */
export async function writingRoutes(deps: HttpDeps, id: string): Promise<Route[]> {
  const writing = (await allRoutes(deps)).filter(
    ({ method, path }) => ['POST', 'PUT', 'PATCH', 'DELETE'].includes(method) && !path.includes('*'),
  )
  const asked = writing.map(
    ({ method, path }) => `${method} ${path.replace(':queueName', 'sync').replace(/:\w+/g, id)}`,
  )
  return [...new Set(asked)].map((one) => {
    const [method = '', path = ''] = one.split(' ')
    return { method, path }
  })
}
