import { z } from 'zod'
import { malformed } from './json.ts'

/** How strictly a page's objects are judged. */
export interface ParseOptions {
  /**
   * True in a full round, where an object without any value is one whose type the app may not read: Graph then
   * answers 200 with id and type and nulls for the rest. A delta round may clear all it tells of.
   */
  full?: boolean
}

// 850 UTF-16 units are at most 2,550 bytes, below the 2,704 that a b-tree of Postgres takes; Graph's longest is 256.
const maxText = 850

/** A text as Postgres takes it: NUL dropped, lone surrogates replaced, no longer than an index row may be. */
export function cleanText(text: string): string {
  const short = text.length > maxText ? text.slice(0, maxText) : text
  const wellFormed = short.isWellFormed() ? short : short.toWellFormed()
  return wellFormed.includes('\0') ? wellFormed.replaceAll('\0', '') : wellFormed
}

const guid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** The id in lower case. Throws malformed if it is no GUID. */
export function objectId(id: string, resource: string): string {
  if (!guid.test(id)) throw malformed('id_no_guid', 'An object has an id that is no GUID.', resource)
  return id.toLowerCase()
}

export const removedSchema = z.object({ reason: z.string().optional().catch(undefined) })

/** Graph's reasons: `deleted` is for good, `changed` can be restored for 30 days; anything new counts as the latter. */
export function removalReason(removed: { reason?: string | undefined }): 'changed' | 'deleted' {
  return removed.reason === 'deleted' ? 'deleted' : 'changed'
}

/** Parses a page's `value`. Throws malformed with the place of the first fault, never with its contents. */
export function parseObjects<T>(schema: z.ZodType<T[]>, value: unknown, resource: string): T[] {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw malformed(
    'object_malformed',
    `An object of the page is malformed at ${issue?.path.join('.') ?? 'its root'} (${issue?.code ?? 'unknown'}).`,
    resource,
  )
}

/**
 * The properties of an object that are among `names` and were present, as Postgres takes them: absent means
 * unchanged and stays absent, null means cleared.
 */
export function presentFields<T extends object, K extends keyof T & string>(
  object: T,
  names: readonly K[],
): Partial<Pick<T, K>> {
  const fields: Partial<Pick<T, K>> = {}
  for (const name of names) {
    if (name in object) fields[name] = clean(object[name])
  }
  return fields
}

function clean<V>(value: V): V
function clean(value: unknown): unknown {
  if (typeof value === 'string') return cleanText(value)
  return Array.isArray(value) ? value.map((item: unknown) => clean(item)) : value
}

/** Throws malformed (`limited_information`) for an object that tells nothing, as ParseOptions describes. */
export function refuseReduced(
  fields: object,
  hasOthers: boolean,
  { full = false }: ParseOptions,
  resource: string,
): void {
  if (hasOthers) return
  const values = Object.values(fields)
  if (values.length > 0 && (!full || values.some((value) => value !== null))) return
  throw malformed(
    'limited_information',
    'An object came with its id and nothing else, as if the app may not read objects of its type.',
    resource,
  )
}
