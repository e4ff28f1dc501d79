import { sql, type Kysely } from 'kysely'
import { expect, test } from 'vitest'
import type { Database } from '../../src/db/tables.ts'
import { drainedGroup } from '../holds/world.ts'
import { addFleet } from './console/fleet.ts'
import { operatorToken, startTestHttp } from './start.ts'

/** Each of them means something to somebody on the way: SQL, LIKE, JSON, a shell, a path, a terminal, a log. */
const injections = [
  `'; drop table canary; --`,
  `') or 1=1; update canary set text = 'sung' --`,
  `" union select text from canary --`,
  `%_\\`,
  `a\u0000b`,
  `\uD800`,
  `__proto__`,
  `../../etc/passwd`,
  `$(touch canary)\u001b[2J\r\nlevel=50`,
  `{"$ne":null}`,
  'x'.repeat(100_000),
]

interface Schema {
  $ref?: string
  type?: string | string[]
  enum?: unknown[]
  const?: unknown
  format?: string
  minimum?: number
  items?: Schema
  properties?: Record<string, Schema>
  required?: string[]
  anyOf?: Schema[]
  oneOf?: Schema[]
}
interface Operation {
  operationId: string
  parameters: { name: string; in: 'path' | 'query'; required: boolean; schema: Schema }[]
  requestBody?: { content: { 'application/json': { schema: Schema } } }
}
interface Document {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema> }
}

const typeOf = ({ type }: Schema): string => (Array.isArray(type) ? type[0] : type) ?? 'string'

/** Something that fits a schema, as far as it tells: ids are those of things that are there. */
function sampler(document: Document, id: string) {
  const resolved = (schema: Schema): Schema => {
    if (schema.$ref !== undefined)
      return resolved(document.components.schemas[schema.$ref.split('/').at(-1) ?? ''] ?? {})
    const [either] = schema.anyOf ?? schema.oneOf ?? []
    return either === undefined ? schema : resolved(either)
  }
  function sample(given: Schema): unknown {
    const schema = resolved(given)
    if (schema.const !== undefined) return schema.const
    if (schema.enum !== undefined) return schema.enum[0]
    switch (typeOf(schema)) {
      case 'integer':
      case 'number':
        return Math.max(1, schema.minimum ?? 1)
      case 'boolean':
        return false
      case 'array':
        return [sample(schema.items ?? {})]
      case 'object':
        return Object.fromEntries(
          (schema.required ?? []).map((name) => [name, sample(schema.properties?.[name] ?? {})]),
        )
      default:
        return schema.format === 'date-time' ? new Date().toISOString() : id
    }
  }
  /** The sample again and again, each time with the text at another place that takes one. */
  function injected(given: Schema, text: string): unknown[] {
    const schema = resolved(given)
    switch (typeOf(schema)) {
      case 'array':
        return injected(schema.items ?? {}, text).map((item) => [item])
      case 'object': {
        const whole = sample(schema) as object
        return Object.entries(schema.properties ?? {}).flatMap(([name, property]) =>
          injected(property, text).map((value) => ({ ...whole, [name]: value })),
        )
      }
      default:
        return [text]
    }
  }
  return { sample, injected }
}

test('no text in any parameter or field of the API is anything but a text', async () => {
  const { url, database } = await startTestHttp()
  const { db } = database
  const { customers } = await addFleet(db, 3)
  await drainedGroup(db)
  await sql`create table public.canary (text text)`.execute(db)
  await sql`insert into public.canary values ('sits')`.execute(db)
  const tables = await tablesOf(db)

  const headers = { Authorization: `Bearer ${operatorToken}`, 'Content-Type': 'application/json' }
  const document = (await (await fetch(`${url}/api/openapi.json`, { headers })).json()) as Document
  const { sample, injected } = sampler(document, customers[0] ?? '')
  const met = new Map<number, number>()

  async function ask(method: string, path: string, operation: Operation, text: string, body?: unknown) {
    const answer = await fetch(url + path, {
      method: method.toUpperCase(),
      headers,
      redirect: 'manual',
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    met.set(answer.status, (met.get(answer.status) ?? 0) + 1)
    const where = { operation: operation.operationId, path: path.slice(0, 200), text: text.slice(0, 60) }
    if (answer.headers.get('content-type')?.startsWith('text/event-stream') === true) {
      await answer.body?.cancel()
      return
    }
    const said = await answer.text()
    expect({ ...where, status: answer.status, said: said.slice(0, 300) }).toEqual({
      ...where,
      status: expect.toSatisfy((status: number) => status < 500 || status === 503),
      said: said.slice(0, 300),
    })
    expect({ ...where, stack: /\bat \S+ \(|node_modules|syntax error at or near/.test(said) }).toEqual({
      ...where,
      stack: false,
    })
    if (answer.status < 400) return
    expect({ ...where, said: JSON.parse(said) as unknown }).toEqual({
      ...where,
      said: expect.objectContaining({ error: expect.any(String), message: expect.any(String) }),
    })
  }

  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const schema = operation.requestBody?.content['application/json'].schema
      const filled = (injection?: { name: string; text: string }): string => {
        let at = path
        const query = new URLSearchParams()
        for (const parameter of operation.parameters) {
          const isIt = injection?.name === parameter.name
          if (!isIt && !parameter.required) continue
          const value = isIt ? injection.text : String(sample(parameter.schema))
          if (parameter.in === 'query') query.set(parameter.name, value)
          else at = at.replace(`{${parameter.name}}`, encodeURIComponent(value.toWellFormed()))
        }
        return query.size > 0 ? `${at}?${query.toString()}` : at
      }
      for (const text of injections) {
        // A line of a request takes some 16 kB in Node; a longer one is refused before anybody of ours sees it.
        const short = text.slice(0, 4000)
        for (const { name } of operation.parameters)
          await ask(method, filled({ name, text: short }), operation, text, schema && sample(schema))
        for (const body of schema === undefined ? [] : injected(schema, text))
          await ask(method, filled(), operation, text, body)
      }
    }
  }

  const { rows } = await sql`select * from public.canary`.execute(db)
  expect(rows).toEqual([{ text: 'sits' }])
  expect(await tablesOf(db)).toEqual(tables)
  // Both what is refused and what is taken was met.
  expect(met.get(400) ?? 0).toBeGreaterThan(500)
  expect(met.get(200) ?? 0).toBeGreaterThan(50)
})

async function tablesOf(db: Kysely<Database>): Promise<unknown[]> {
  const { rows } = await sql`
    select table_schema, table_name, column_name, data_type from information_schema.columns
    where table_schema in ('public', 'entra_sync') order by 1, 2, 3`.execute(db)
  return rows
}
