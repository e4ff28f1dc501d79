import { z } from 'zod'
import type { OpsRole } from '../../config.ts'
import type { ConsoleDeps } from '../console-deps.ts'
import { uuid } from '../input.ts'
import type { SignedIn } from '../sessions.ts'
import type { EventSource } from './events.ts'

interface RouteFacts<
  Params extends z.ZodType,
  Query extends z.ZodType,
  Body extends z.ZodType,
  Response extends z.ZodType,
> {
  method: 'get' | 'post' | 'put' | 'delete'
  /** Below /api/v1, parameters as `{id}`. */
  path: string
  /** Names the operation in generated clients. */
  operationId: string
  summary: string
  /** The chapter of the document. */
  tag: string
  /** Who may call it: operators may all that viewers may. */
  role: OpsRole
  params: Params
  query: Query
  /** `z.undefined()` = no body is read. */
  body: Body
  response: Response
  /** Status of success. */
  status: 200 | 201 | 202
}

interface Input<Params extends z.ZodType, Query extends z.ZodType, Body extends z.ZodType> {
  params: z.output<Params>
  query: z.output<Query>
  body: z.output<Body>
  signedIn: SignedIn
  signal: AbortSignal
}

/** What a route does: answers once, or with server-sent events, each of which is as `response` says. */
type Act<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, R extends z.ZodType> =
  | { run(deps: ConsoleDeps, input: Input<P, Q, B>): Promise<z.input<R>>; follow?: never }
  | {
      /** `lastEventId`: the header that a reader sends when it reconnects. */
      follow(
        deps: ConsoleDeps,
        input: Input<P, Q, B> & { lastEventId: string | undefined },
      ): Promise<EventSource>
      run?: never
    }

/** One route of the API, from which both the server and the OpenAPI document are made. */
export type Route<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  Response extends z.ZodType = z.ZodType,
> = RouteFacts<Params, Query, Body, Response> & Act<Params, Query, Body, Response>

type Given<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, R extends z.ZodType> = Omit<
  RouteFacts<P, Q, B, R>,
  'params' | 'query' | 'body' | 'role' | 'status'
> & { params?: P; query?: Q; body?: B; role?: OpsRole; status?: 200 | 201 | 202 } & Act<P, Q, B, R>

const nothing = z.strictObject({})

/** A route whose `run` is typed by its schemas; in the table of routes only the schemas themselves are left to tell. */
export function route<
  R extends z.ZodType,
  P extends z.ZodType = typeof nothing,
  Q extends z.ZodType = typeof nothing,
  B extends z.ZodType = z.ZodUndefined,
>(given: Given<P, Q, B, R>): Route {
  const { params = nothing, query = nothing, body = z.undefined() } = given
  const { role = given.method === 'get' ? 'viewer' : 'operator', status = 200 } = given
  return { ...given, params, query, body, role, status }
}

export const ofEntraTenant = z.object({ id: uuid.meta({ description: 'Entra tenant id' }) })

/** A moment as ISO 8601 text. */
export const moment = z.date()

const most = 500

/** The query of a list: how many, and where to go on. `position` is what a row's cursor holds. */
export function paging<S extends z.ZodType>(position: S) {
  return {
    limit: z.coerce.number().int().min(1).max(most).default(100).meta({ description: 'rows a page' }),
    cursor: z
      .string()
      .max(2000)
      .transform((text, context): z.output<S> => {
        const read = position.safeParse(decoded(text))
        if (read.success) return read.data
        context.addIssue({ code: 'custom', message: 'is no cursor of this list' })
        return z.NEVER
      })
      .optional()
      .meta({ description: '`nextCursor` of the page before' }),
  }
}

function decoded(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))
  } catch {
    return undefined
  }
}

/** A page as it is answered: its items, and the cursor that asks for the next page; null = it was the last. */
export function listOf<S extends z.ZodType>(item: S) {
  return z.object({ items: z.array(item), nextCursor: z.string().nullable() })
}

/** Cuts a page from rows that were read with one more than `limit`. */
export function pageOf<Row, Item>(
  rows: readonly Row[],
  limit: number,
  position: (row: Row) => unknown,
  item: (row: Row) => Item,
): { items: Item[]; nextCursor: string | null } {
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  const more = rows.length > limit && last !== undefined
  return {
    items: page.map(item),
    nextCursor: more ? Buffer.from(JSON.stringify(position(last))).toString('base64url') : null,
  }
}
