import { z } from 'zod'
import { removeCredential } from '../../consent/apps/permission-level.ts'
import { requireEntraTenant } from '../../db/entra-tenant-facts.ts'
import {
  addCredential,
  changeLevel,
  checkRegistration,
  credentialInput,
  levelInput,
  viewLevel,
} from '../acts/permission-level.ts'
import { uuid } from '../input.ts'
import { moment, ofEntraTenant, route } from './route.ts'

const tag = 'Permission level'

const level = z
  .object({
    level: z.enum(['default', 'custom']),
    wantedClientId: z.string().nullable().meta({ description: 'the app that the level says' }),
    partnerEntraTenantId: z
      .string()
      .nullable()
      .meta({ description: 'the partner whose level a customer follows' }),
    customers: z.number().int().meta({ description: 'how many customers follow' }),
    credentials: z.array(
      z.object({
        credentialId: z.guid(),
        kind: z.enum(['secret', 'certificate']),
        thumbprint: z.string().nullable(),
        expiresAt: moment.nullable(),
        expiresSource: z.enum(['told', 'certificate', 'graph']).nullable(),
        registered: z
          .boolean()
          .nullable()
          .meta({ description: 'whether the app registration has it; null = not known' }),
        addedAt: moment,
      }),
    ),
    redirectUri: z.string().meta({ description: 'what the app registration must list, exactly' }),
    permissions: z.array(
      z.object({
        name: z.string(),
        id: z.guid(),
        need: z.enum(['required', 'instead', 'partner', 'optional']),
        purpose: z.string(),
        or: z.string().optional(),
      }),
    ),
  })
  .meta({ id: 'PermissionLevel' })

export const permissionLevelRoutes = [
  route({
    method: 'get',
    path: '/entra-tenants/{id}/permission-level',
    operationId: 'getPermissionLevel',
    summary: 'Permission level, credentials (never their contents) and what the app registration needs',
    tag,
    params: ofEntraTenant,
    response: level,
    run: async (deps, { params: { id } }) => asAnswered(await viewLevel(deps, id)),
  }),
  route({
    method: 'put',
    path: '/entra-tenants/{id}/permission-level',
    operationId: 'setPermissionLevel',
    summary: 'Set level Default or Custom',
    tag,
    params: ofEntraTenant,
    body: levelInput,
    response: level,
    async run(deps, { params: { id }, body, signedIn }) {
      await changeLevel(deps, id, body, signedIn.name)
      return asAnswered(await viewLevel(deps, id))
    },
  }),
  route({
    method: 'post',
    path: '/entra-tenants/{id}/credentials',
    operationId: 'addCredential',
    summary: 'Add a credential to the app of level Custom, beside those that it has',
    tag,
    params: ofEntraTenant,
    body: credentialInput,
    status: 201,
    response: z.object({ credentialId: z.guid() }),
    async run(deps, { params: { id }, body, signedIn }) {
      return { credentialId: await addCredential(deps, id, body, signedIn.name) }
    },
  }),
  route({
    method: 'delete',
    path: '/entra-tenants/{id}/credentials/{credentialId}',
    operationId: 'removeCredential',
    summary: 'Remove a credential; not the last one of the app in use',
    tag,
    params: ofEntraTenant.extend({ credentialId: uuid }),
    response: z.object({ credentialId: z.guid(), removed: z.literal(true) }),
    async run({ db }, { params: { id, credentialId }, signedIn }) {
      await requireEntraTenant(db, id)
      await removeCredential(db, { entraTenantId: id, credentialId, actor: signedIn.name })
      return { credentialId, removed: true as const }
    },
  }),
  route({
    method: 'post',
    path: '/entra-tenants/{id}/app-check',
    operationId: 'checkAppRegistration',
    summary: 'Read the app registration now: ends of credentials, redirect URI, permissions',
    tag,
    params: ofEntraTenant,
    response: z
      .object({
        clientId: z.string().nullable(),
        outcome: z
          .enum(['checked', 'not_permitted', 'elsewhere', 'failed', 'timed_out'])
          .meta({ description: 'elsewhere: it is not registered in this Entra tenant' }),
        findings: z.array(z.object({ code: z.string(), message: z.string(), remedy: z.string() })),
        notice: z.string().nullable().meta({ description: 'why it was not checked' }),
      })
      .meta({ id: 'AppCheck' }),
    async run(deps, { params: { id }, signal }) {
      const check = await checkRegistration(deps, id, signal)
      const late = { clientId: null, outcome: 'timed_out' as const, findings: [], notice: null }
      return check ?? late
    },
  }),
]

function asAnswered(view: Awaited<ReturnType<typeof viewLevel>>) {
  return { ...view, permissions: [...view.permissions] }
}
