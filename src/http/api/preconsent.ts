import { z } from 'zod'
import { listSignIns } from '../../consent/preconsent/sign-ins.ts'
import { readPreconsents } from '../../db/preconsents.ts'
import { uuid } from '../input.ts'
import {
  customersInput,
  forgetSignIn,
  preconsentInput,
  preconsentNow,
  preflightOf,
} from '../acts/preconsent.ts'
import { listOf, moment, pageOf, paging, route } from './route.ts'

const tag = 'Pre-consent'

const requirement = z
  .object({
    code: z.string(),
    ok: z
      .boolean()
      .nullable()
      .meta({ description: "null = it can't be found out; it is tried all the same" }),
    found: z.string(),
    remedy: z.string().nullable(),
  })
  .meta({ id: 'Requirement' })

const preflight = z
  .object({
    partnerEntraTenantId: z.guid(),
    partnerName: z.string(),
    clientId: z.string(),
    userName: z.string().nullable().meta({ description: 'who would consent; null = nobody has signed in' }),
    requirements: z.array(requirement).meta({ description: 'what all customers depend on' }),
    ready: z.boolean(),
    customers: z.array(
      z.object({
        entraTenantId: z.guid(),
        name: z.string(),
        ready: z.boolean(),
        requirements: z.array(requirement),
      }),
    ),
  })
  .meta({ id: 'Preflight' })

const preconsent = z
  .object({
    entraTenantId: z.guid(),
    name: z.string(),
    clientId: z.string(),
    step: z.enum(['waiting', 'consenting', 'granting', 'cleaning', 'proving', 'done', 'failed']),
    requestedBy: z.string(),
    requestedAt: moment,
    finishedAt: moment.nullable(),
    attempts: z.number().int(),
    bootstrapOpen: z
      .boolean()
      .meta({ description: 'what was granted only to grant the rest is to be taken back' }),
    errorCode: z.string().nullable(),
    errorMessage: z.string().nullable(),
    errorRemedy: z.string().nullable(),
    errorRequestId: z.string().nullable(),
  })
  .meta({ id: 'Preconsent' })

const signIn = z
  .object({
    signInId: z.guid(),
    partnerEntraTenantId: z.guid(),
    partnerName: z.string(),
    userObjectId: z.guid(),
    userName: z.string(),
    clientId: z.string(),
    obtainedAt: moment,
    refreshedAt: moment,
    lastUsedAt: moment.nullable(),
    refusedAt: moment.nullable().meta({ description: 'since when Microsoft takes it no more' }),
    refusedCode: z.string().nullable(),
    signedInBy: z.string(),
  })
  .meta({ id: 'PartnerSignIn' })

const position = z.tuple([
  z.enum(['true', 'false']),
  z.string().regex(/^-?\d{1,12}(\.\d{1,9})?$/),
  z.guid(),
  z.guid(),
])

export const preconsentRoutes = [
  route({
    method: 'get',
    path: '/preconsents',
    operationId: 'listPreconsents',
    summary: 'How far each pre-consent came, those under way first',
    tag,
    query: z.object(paging(position)),
    response: listOf(preconsent).extend({
      counts: z.object({ open: z.number().int(), done: z.number().int(), failed: z.number().int() }),
    }),
    async run({ db }, { query: { limit, cursor } }) {
      const { rows, counts } = await readPreconsents(db, { after: cursor, limit: limit + 1 })
      return {
        ...pageOf(
          rows,
          limit,
          (row) => row.position,
          (row) => row,
        ),
        counts,
      }
    },
  }),
  route({
    method: 'post',
    path: '/preconsent',
    operationId: 'preconsent',
    summary: 'Pre-consent customers as the signed-in partner user, each in a job of its own',
    tag,
    body: preconsentInput,
    status: 202,
    response: z.object({
      requested: z.array(z.guid()),
      left: z
        .array(
          z.object({
            entraTenantId: z.guid(),
            code: z.string(),
            message: z.string(),
            remedy: z.string().nullable(),
          }),
        )
        .meta({ description: 'who was left out, and why' }),
    }),
    run: (deps, { body, signedIn }) => preconsentNow(deps, body, signedIn.name),
  }),
  route({
    method: 'post',
    path: '/preconsent/preflight',
    operationId: 'preflightPreconsent',
    summary: 'Whether customers can be pre-consented, and what is missing where; changes nothing',
    tag,
    body: customersInput,
    response: z.object({ partners: z.array(preflight) }),
    run: async (deps, { body, signal }) => ({
      partners: await preflightOf(deps, body.entraTenantIds, signal),
    }),
  }),
  route({
    method: 'get',
    path: '/partner-sign-ins',
    operationId: 'listPartnerSignIns',
    summary: 'Partner users who signed in for pre-consent; never their tokens',
    tag,
    response: z.object({ items: z.array(signIn) }),
    run: async ({ db }) => ({ items: await listSignIns(db) }),
  }),
  route({
    method: 'delete',
    path: '/partner-sign-ins/{signInId}',
    operationId: 'forgetPartnerSignIn',
    summary: "Forget a partner user's sign-in",
    tag,
    params: z.object({ signInId: uuid }),
    response: z.object({ signInId: z.guid(), removed: z.literal(true) }),
    async run(deps, { params: { signInId }, signedIn }) {
      await forgetSignIn(deps, signInId, signedIn.name)
      return { signInId, removed: true as const }
    },
  }),
]
