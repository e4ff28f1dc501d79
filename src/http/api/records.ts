import { z } from 'zod'
import { listAudit } from '../../db/audit-log.ts'
import { readProblemPage } from '../../db/open-problems.ts'
import { listSilences } from '../../db/silences.ts'
import { uuid } from '../input.ts'
import { silence, silenceInput, unsilence } from '../acts/silences.ts'
import { listOf, moment, pageOf, paging, route } from './route.ts'

const problem = z
  .object({
    problemId: z.guid(),
    entraTenantId: z.guid(),
    name: z.string(),
    code: z.string(),
    message: z.string(),
    remedy: z.string(),
    whoActs: z.enum(['operator', 'customer_admin', 'partner_admin', 'microsoft']),
    requestId: z.string().nullable(),
    openedAt: moment,
    seenAt: moment,
    silenced: z.boolean(),
  })
  .meta({ id: 'Problem' })

const auditEntry = z
  .object({
    auditId: z.number().int(),
    at: moment,
    actor: z.string(),
    action: z.string(),
    entraTenantId: z.string().nullable(),
    entraTenant: z.string().nullable(),
    tenantId: z.string().nullable(),
    tenant: z.string().nullable(),
    detail: z.unknown(),
  })
  .meta({ id: 'AuditEntry' })

const silenced = z
  .object({
    silenceId: z.guid(),
    code: z.string().nullable().meta({ description: 'null = every code' }),
    entraTenantId: z.string().nullable().meta({ description: 'null = every Entra tenant' }),
    name: z.string().nullable(),
    reason: z.string(),
    createdBy: z.string(),
    createdAt: moment,
    expiresAt: moment.nullable(),
    problems: z.number().int().meta({ description: 'open ones that it keeps from counting now' }),
  })
  .meta({ id: 'Silence' })

const truth = z.enum(['true', 'false'])

export const recordRoutes = [
  route({
    method: 'get',
    path: '/problems',
    operationId: 'listProblems',
    summary: 'Open problems, those that nobody silenced first',
    tag: 'Problems',
    query: z.object({
      ...paging(z.tuple([truth, z.string().regex(/^[\d-]{10,12} [\d:.+-]{8,24}$/), z.guid()])),
      entraTenantId: uuid.optional(),
      silenced: truth.transform((text) => text === 'true').optional(),
    }),
    response: listOf(problem),
    async run({ db }, { query: { limit, cursor, entraTenantId, silenced } }) {
      const { rows } = await readProblemPage(db, { entraTenantId, silenced, after: cursor, limit: limit + 1 })
      return pageOf(
        rows,
        limit,
        ({ position }) => position,
        (row) => ({
          problemId: row.problem_id,
          entraTenantId: row.entra_tenant_id,
          name: row.name,
          code: row.code,
          message: row.message,
          remedy: row.remedy,
          whoActs: row.who_acts,
          requestId: row.request_id,
          openedAt: row.opened_at,
          seenAt: row.seen_at,
          silenced: row.silenced,
        }),
      )
    },
  }),
  route({
    method: 'get',
    path: '/problem-silences',
    operationId: 'listSilences',
    summary: 'The silences that hold now',
    tag: 'Problems',
    response: z.object({ items: z.array(silenced) }),
    run: async ({ db }) => ({
      items: (await listSilences(db)).map((row) => ({
        silenceId: row.silence_id,
        code: row.code,
        entraTenantId: row.entra_tenant_id,
        name: row.name,
        reason: row.reason,
        createdBy: row.created_by,
        createdAt: row.created_at,
        expiresAt: row.expires_at,
        problems: row.problems,
      })),
    }),
  }),
  route({
    method: 'post',
    path: '/problem-silences',
    operationId: 'silenceProblems',
    summary: 'Silence problems by code, by Entra tenant, or by both; they stay open and do not count',
    tag: 'Problems',
    body: silenceInput,
    response: z.object({ silenced: z.number().int().meta({ description: 'open problems' }) }),
    run: async (deps, { body, signedIn }) => ({ silenced: await silence(deps, body, signedIn.name) }),
  }),
  route({
    method: 'delete',
    path: '/problem-silences/{silenceId}',
    operationId: 'unsilenceProblems',
    summary: 'Take a silence back',
    tag: 'Problems',
    params: z.object({ silenceId: uuid }),
    response: z.object({ silenceId: z.guid(), removed: z.literal(true) }),
    async run(deps, { params: { silenceId }, signedIn }) {
      await unsilence(deps, silenceId, signedIn.name)
      return { silenceId, removed: true as const }
    },
  }),
  route({
    method: 'get',
    path: '/audit',
    operationId: 'listAudit',
    summary: 'What operators did, the newest first',
    tag: 'Audit',
    query: z.object({ ...paging(z.number().int()), entraTenantId: uuid.optional() }),
    response: listOf(auditEntry),
    async run({ db }, { query: { limit, cursor, entraTenantId } }) {
      const rows = await listAudit(db, { entraTenantId, before: cursor, limit: limit + 1 })
      return pageOf(
        rows,
        limit,
        ({ auditId }) => auditId,
        (row) => row,
      )
    },
  }),
]
