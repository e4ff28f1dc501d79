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
import {
  person,
  computer,
  problems,
  imported,
  tooLarge,
  counts,
  records,
  explained,
} from './directory-schemas.ts'
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
      confirmed: truth.meta({ description: 'do it, whatever the guard says of what is lost' }),
    }),
    body: records,
    response: imported.extend({ ...counts, removed: z.number().int(), losing: z.number().int(), tooLarge }),
    async run({ db, guard }, { query, body, signedIn }) {
      const plan = await importComputers(db, readBody(body), {
        keep: !query.preview,
        replace: query.replace,
        confirmed: query.confirmed,
        guard,
        actor: signedIn.name,
      })
      return {
        applied: plan.applied,
        problems: plan.problems,
        added: plan.added.length,
        changed: plan.changed.length,
        unchanged: plan.unchanged,
        removed: plan.removed.length,
        losing: plan.losing.length,
        tooLarge: plan.tooLarge,
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
