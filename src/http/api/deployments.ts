import { z } from 'zod'
import { removeByName } from '../../targets/deployments/apply.ts'
import { listDeployments } from '../../targets/deployments/list.ts'
import { targetText } from '../../targets/target-text.ts'
import {
  applyDocument,
  documentInput,
  documentInvalid,
  readDeployment,
  targetContext,
} from '../acts/deployments.ts'
import { appliedSchema, deploymentSchema, effectSchema, shownSchema } from './deployment-schemas.ts'
import { listOf, pageOf, paging, route } from './route.ts'

const tag = 'Deployments'
const named = z.object({ name: z.string().min(1).max(200).meta({ description: 'its name' }) })
const truth = z
  .enum(['true', 'false'])
  .default('false')
  .transform((text) => text === 'true')
const samples = z.coerce
  .number()
  .int()
  .min(0)
  .max(1000)
  .default(100)
  .meta({ description: 'of how many tenants, the most changed first, names are told' })
const prune = truth.meta({ description: 'remove what this source brought and the document lacks' })

export const deploymentRoutes = [
  route({
    method: 'get',
    path: '/deployments',
    operationId: 'listDeployments',
    summary: 'Deployments by name: what each gives to whom, for how many it wins, what is odd about it',
    tag,
    query: z.object(paging(z.string())),
    response: listOf(deploymentSchema),
    async run({ db }, { query: { limit, cursor } }) {
      const after = (await listDeployments(db, { warnings: 20 })).filter(
        ({ name }) => cursor === undefined || name > cursor,
      )
      return pageOf(
        after.toSorted((a, b) => (a.name < b.name ? -1 : 1)).slice(0, limit + 1),
        limit,
        ({ name }) => name,
        (row) => ({ ...row, targetText: targetText(row) }),
      )
    },
  }),
  route({
    method: 'get',
    path: '/deployments/{name}',
    operationId: 'showDeployment',
    summary: 'One deployment, and for how many it wins in each tenant',
    tag,
    params: named,
    response: shownSchema,
    async run(deps, { params: { name } }) {
      const deployment = await readDeployment(deps, { names: [name] })
      return { ...deployment, targetText: targetText(deployment) }
    },
  }),
  route({
    method: 'post',
    path: '/deployments/preview',
    operationId: 'previewDeployments',
    summary: 'Tell what a deployment file would change, and what that would give and take whom',
    tag,
    query: z.object({ prune, samples }),
    body: documentInput,
    response: appliedSchema,
    async run(deps, { query, body, signedIn }) {
      const applied = await applyDocument(deps, body, {
        prune: query.prune,
        keep: false,
        actor: signedIn.name,
        sampledTenants: query.samples,
      })
      return { applied: false, problems: applied.problems, plan: null, effect: null, ...applied.done }
    },
  }),
  route({
    method: 'put',
    path: '/deployments',
    operationId: 'applyDeployments',
    summary: 'Bring the deployments of a file, known by their names; all of it or nothing',
    tag,
    query: z.object({ prune, samples }),
    body: documentInput,
    response: appliedSchema,
    async run(deps, { query, body, signedIn }) {
      const applied = await applyDocument(deps, body, {
        prune: query.prune,
        keep: true,
        actor: signedIn.name,
        sampledTenants: query.samples,
      })
      if (applied.done === null) throw documentInvalid(applied)
      return { applied: true, problems: applied.problems, ...applied.done }
    },
  }),
  route({
    method: 'delete',
    path: '/deployments/{name}',
    operationId: 'removeDeployment',
    summary: 'Remove a deployment, or tell what that would take from whom',
    tag,
    params: named,
    query: z.object({ preview: truth.meta({ description: 'only tell' }), samples }),
    response: z.object({ removed: z.boolean(), effect: effectSchema }),
    async run(deps, { params: { name }, query, signedIn }) {
      const effect = await removeByName(targetContext(deps), [name], {
        keep: !query.preview,
        actor: signedIn.name,
        sampledTenants: query.samples,
      })
      return { removed: !query.preview, effect }
    },
  }),
]
