import { z } from 'zod'
import { EntraSyncError } from '../../errors.ts'
import { explain, findItem, type Explanation } from '../../targets/explain/explain.ts'
import { findSubject } from '../../targets/explain/subject.ts'
import { notesOf, verdictText } from '../../targets/explain/texts.ts'
import { importComputers } from '../../targets/imports/computers.ts'
import { importPersons } from '../../targets/imports/persons.ts'
import type { ReadRecords } from '../../targets/imports/records.ts'
import { listComputers, listPersons } from '../../targets/listing.ts'
import { uuid } from '../input.ts'
import { listOf, pageOf, paging, route } from './route.ts'

const tag = 'Persons and computers'
const truth = z
  .enum(['true', 'false'])
  .default('false')
  .transform((text) => text === 'true')
const preview = truth.meta({ description: 'only tell what it would do' })
const looked = {
  ...paging(z.number().int().min(0)),
  tenantId: uuid.optional().meta({ description: 'of one tenant only' }),
  search: z.string().min(1).max(200).optional().meta({ description: 'part of the name or UPN' }),
}
const person = z
  .object({
    personId: z.guid(),
    name: z.string().nullable(),
    userPrincipalName: z.string().nullable(),
    tenant: z.string().nullable(),
    department: z.string().nullable(),
    enabled: z.boolean().nullable(),
    userType: z.string().nullable(),
    tags: z.array(z.string()),
    protectedReason: z.string().nullable(),
    handMade: z.boolean().meta({ description: 'no sync has found this person' }),
    targets: z.number().int(),
  })
  .meta({ id: 'Person' })
const computer = z
  .object({
    computerId: z.guid(),
    name: z.string(),
    tenant: z.string(),
    primaryUser: z.string().nullable(),
    person: z
      .string()
      .nullable()
      .meta({ description: "who that is in the tenant's directory; null = nobody" }),
    entraDeviceId: z.guid().nullable(),
    deviceKnown: z.boolean(),
    targets: z.number().int(),
  })
  .meta({ id: 'Computer' })

const problems = z.array(z.object({ place: z.string(), message: z.string() }))
const imported = z.object({
  applied: z
    .boolean()
    .meta({ description: 'false = it was a preview, or something is wrong: nothing was written' }),
  problems,
})
const counts = { added: z.number().int(), changed: z.number().int(), unchanged: z.number().int() }
/** The same records as the import file in JSON; each is parsed by the import, which names what is wrong by its place. */
const records = z.array(z.record(z.string(), z.unknown())).max(100_000)

const explained = z.object({
  subject: z.object({
    kind: z.enum(['person', 'computer']),
    id: z.guid(),
    name: z.string(),
    tenant: z.string().nullable(),
  }),
  notes: z.array(z.string()).meta({ description: 'why it gets nothing at all, or nothing new for now' }),
  items: z.array(
    z.object({
      item: z.string(),
      held: z.boolean(),
      deployments: z.array(
        z.object({
          name: z.string(),
          verdict: z.enum(['wins', 'loses', 'left_out', 'not_reached', 'not_for_tenant', 'kept_others']),
          text: z.string(),
          version: z.string(),
          desiredState: z.string(),
          enforcement: z.string(),
        }),
      ),
    }),
  ),
})

export const directoryRoutes = [
  route({
    method: 'get',
    path: '/persons',
    operationId: 'listPersons',
    summary: 'Persons with their tags, protection and number of targets',
    tag,
    query: z.object({ ...looked, tag: z.string().min(1).max(100).optional() }),
    response: listOf(person),
    async run({ db }, { query: { limit, cursor: offset = 0, ...filter } }) {
      const rows = await listPersons(db, { ...filter, limit: limit + 1, offset })
      return pageOf(
        rows,
        limit,
        () => offset + limit,
        (row) => row,
      )
    },
  }),
  route({
    method: 'put',
    path: '/persons',
    operationId: 'importPersons',
    summary: 'Bring tags, protection and persons made by hand: all of it, or nothing',
    tag,
    query: z.object({ preview }),
    body: records,
    response: imported.extend({ ...counts, warnings: problems }),
    async run({ db }, { query, body, signedIn }) {
      const plan = await importPersons(db, readBody(body), { keep: !query.preview, actor: signedIn.name })
      return {
        applied: !query.preview && plan.problems.length === 0,
        problems: plan.problems,
        warnings: plan.warnings,
        added: plan.added.length,
        changed: plan.changed.length,
        unchanged: plan.unchanged,
      }
    },
  }),
  route({
    method: 'get',
    path: '/computers',
    operationId: 'listComputers',
    summary: 'Computers with their primary users, devices and number of targets',
    tag,
    query: z.object(looked),
    response: listOf(computer),
    async run({ db }, { query: { limit, cursor: offset = 0, ...filter } }) {
      const rows = await listComputers(db, { ...filter, limit: limit + 1, offset })
      return pageOf(
        rows,
        limit,
        () => offset + limit,
        (row) => row,
      )
    },
  }),
  route({
    method: 'put',
    path: '/computers',
    operationId: 'importComputers',
    summary: 'Bring computers: all of them, or none; a key that is not there keeps what is known',
    tag,
    query: z.object({
      preview,
      replace: truth.meta({ description: 'also remove those of the tenants named that are not among them' }),
    }),
    body: records,
    response: imported.extend({ ...counts, removed: z.number().int() }),
    async run({ db }, { query, body, signedIn }) {
      const plan = await importComputers(db, readBody(body), {
        keep: !query.preview,
        replace: query.replace,
        actor: signedIn.name,
      })
      return {
        applied: !query.preview && plan.problems.length === 0,
        problems: plan.problems,
        added: plan.added.length,
        changed: plan.changed.length,
        unchanged: plan.unchanged,
        removed: plan.removed.length,
      }
    },
  }),
  route({
    method: 'get',
    path: '/explain',
    operationId: 'explain',
    summary: 'Why a person or computer gets an item, and why not',
    tag,
    query: z.object({
      subject: z
        .string()
        .min(1)
        .max(300)
        .meta({ description: 'UPN, mail or id of a person; name or id of a computer' }),
      item: z
        .string()
        .min(1)
        .max(300)
        .optional()
        .meta({ description: 'name of a maintenance item; none = all that reach it' }),
      tenant: z.string().min(1).max(300).optional(),
    }),
    response: explained.extend({
      primaryUser: explained.nullable().meta({ description: 'of a computer: the same of its primary user' }),
      wins: z.array(z.object({ item: z.string(), through: z.enum(['person', 'computer']) })),
    }),
    async run({ db, licenseGraceMs }, { query }) {
      const subject = await findSubject(db, query.subject, query.tenant)
      const item = query.item === undefined ? null : await findItem(db, query.item)
      if (query.item !== undefined && item === null) {
        throw new EntraSyncError('input', `There is no maintenance item ${query.item}.`, {
          code: 'item_unknown',
          remedy: 'GET /api/v1/deployments tells which items are deployed.',
        })
      }
      const explanation = await explain({ db, licenseGraceMs }, subject, item?.itemId ?? null)
      const names = new Map(explanation.items.map((one) => [one.itemId, one.item]))
      const { primaryUser } = explanation
      for (const one of primaryUser?.items ?? []) names.set(one.itemId, one.item)
      return {
        ...answerOf(explanation),
        primaryUser: primaryUser === null ? null : answerOf(primaryUser),
        wins: explanation.wins.map(({ itemId, through }) => ({ item: names.get(itemId) ?? itemId, through })),
      }
    },
  }),
]

function answerOf(explanation: Explanation): z.input<typeof explained> {
  const { subject, items } = explanation
  return {
    subject: { kind: subject.kind, id: subject.id, name: subject.name, tenant: subject.tenant },
    notes: notesOf(explanation),
    items: items.map(({ item, held, deployments }) => ({
      item,
      held: held !== null,
      deployments: deployments.map((one) => ({
        name: one.name,
        verdict: one.verdict.is,
        text: verdictText(one),
        version: one.version,
        desiredState: one.desiredState,
        enforcement: one.enforcement,
      })),
    })),
  }
}

function readBody(body: readonly Record<string, unknown>[]): ReadRecords {
  return { records: body.map((values, index) => ({ place: `record ${index + 1}`, values })), problems: [] }
}
