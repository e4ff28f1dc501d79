import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { GraphContext, SimRequest, SimResponse } from '../types.ts'
import { badRequest, failure } from './answers.ts'
import { option } from './query.ts'

/** Delta tokens of directory objects live 7 days, page tokens minutes; ours an hour. */
export const deltaTokenLife = 7 * 86_400_000
const pageTokenLife = 3_600_000

const trackedSchema = z.object({
  names: z.array(z.string()).nullable(),
  members: z.boolean(),
  ids: z.array(z.string()).nullable(),
})
/** What a delta query tracks; fixed by its first request. */
export type Tracked = z.infer<typeof trackedSchema>

const roundSchema = z.object({
  /** Seq after which changes are told; null = everything is enumerated. */
  from: z.number().nullable(),
  to: z.number(),
  at: z.number(),
  /** Places are visited as (offset + at * step) mod their number. */
  step: z.number(),
  offset: z.number(),
  /** Groups with members still to tell: place, position in the diff, seq of the last member told. */
  open: z.array(z.object({ index: z.number(), diff: z.number(), edge: z.number() })),
  /** Places to be told a second time. */
  again: z.array(z.number()),
  empty: z.number(),
})
/** Where a delta round stands. */
export type Round = z.infer<typeof roundSchema>

const tokenSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('delta'),
    of: z.string(),
    issued: z.number(),
    seq: z.number(),
    tracked: trackedSchema,
  }),
  z.object({
    kind: z.literal('round'),
    of: z.string(),
    issued: z.number(),
    round: roundSchema,
    tracked: trackedSchema,
  }),
  z.object({ kind: z.literal('list'), of: z.string(), issued: z.number(), at: z.number() }),
])
type Token = z.infer<typeof tokenSchema>

/** What a token is good for: one path of one tenant. */
function scope(context: GraphContext, path: string): string {
  return `${context.tenant.id}${path}`
}

type Contents =
  | { kind: 'delta'; seq: number; tracked: Tracked }
  | { kind: 'round'; round: Round; tracked: Tracked }
  | { kind: 'list'; at: number }

/** An opaque token. It holds all state: a link can be asked again, or hours later, and answers the same place. */
export function writeToken(context: GraphContext, path: string, contents: Contents): string {
  const json = JSON.stringify({ ...contents, of: scope(context, path), issued: context.now() })
  return Buffer.from(digest(json) + json).toString('base64url')
}

function digest(json: string): string {
  return createHash('sha256').update(json).digest('hex').slice(0, 12)
}

function readToken(text: string): Token | null {
  const plain = Buffer.from(text, 'base64url').toString()
  const json = plain.slice(12)
  if (plain.slice(0, 12) !== digest(json)) return null
  return tokenSchema.parse(JSON.parse(json))
}

/** The contents of a `$skiptoken`, null without one, or why it is refused. */
export function readSkipToken<K extends 'round' | 'list'>(
  request: SimRequest,
  context: GraphContext,
  path: string,
  kind: K,
): { token: Extract<Token, { kind: K }> | null } | { refusal: SimResponse } {
  const text = option(request, '$skiptoken')
  if (text === null) return { token: null }
  const token = readToken(text)
  if (token?.kind !== kind || token.of !== scope(context, path)) {
    return { refusal: badRequest('The specified page token is invalid.') }
  }
  const { faults } = context
  if (faults.knobs.expiredPageToken) faults.applied('expiredPageToken')
  else if (context.now() - token.issued <= pageTokenLife)
    return { token: token as Extract<Token, { kind: K }> }
  return {
    refusal: failure(
      400,
      'Directory_ExpiredPageToken',
      'The specified page token value has expired and can no longer be included in your request.',
    ),
  }
}

/** The contents of a `$deltatoken`, or why it is refused: 410 with a Location to begin again, or 400. */
export function readDeltaToken(
  text: string,
  context: GraphContext,
  path: string,
): Extract<Token, { kind: 'delta' }> | { refusal: SimResponse } {
  const token = readToken(text)
  if (token?.kind !== 'delta' || token.of !== scope(context, path)) {
    return { refusal: badRequest('The specified delta token is invalid.') }
  }
  const { faults } = context
  const knob = faults.knobs.expiredDeltaToken
  if (knob !== null) faults.applied('expiredDeltaToken')
  else if (context.now() - token.issued <= deltaTokenLife) return token
  const message = 'The delta token is expired and data must be synchronized again.'
  if (knob === 400) return { refusal: failure(400, 'syncStateNotFound', message) }
  const location = `${context.origin}/v1.0${path}?${selectOf(token.tracked)}$deltatoken=`
  return { refusal: failure(410, 'syncStateNotFound', message, { location }) }
}

function selectOf({ names, members }: Tracked): string {
  if (names === null) return ''
  return `$select=${[...names, ...(members ? ['members'] : [])].join()}&`
}

/** `$metadata` context of a collection, as every Graph body begins with. */
export function contextUrl(origin: string, collection: string, names: readonly string[] | null): string {
  return `${origin}/v1.0/$metadata#${collection}${names === null ? '' : `(${names.join()})`}`
}
