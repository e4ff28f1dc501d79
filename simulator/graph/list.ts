import type { GraphContext, SimRequest, SimResponse } from '../types.ts'
import { ok } from './answers.ts'
import { foreign } from './delta.ts'
import { contextUrl, readSkipToken, writeToken } from './page-token.ts'
import { option, readTop } from './query.ts'

/** What a list is read from: places that never move, so that objects coming and going shift nothing. */
export interface ListSource<T> {
  path: string
  /** Name in `$metadata#`. */
  context: string
  names: readonly string[] | null
  items: readonly T[]
  fits(item: T): boolean
  render(item: T): unknown
}

/** One page of a list with an opaque page token; `@odata.count` on the first page, where it was asked for. */
export function answerList<T>(
  request: SimRequest,
  context: GraphContext,
  source: ListSource<T>,
): SimResponse {
  const skip = readSkipToken(request, context, source.path, 'list')
  if ('refusal' in skip) return skip.refusal
  const { knobs } = context.faults
  const top = readTop(option(request, '$top'), knobs.pageSize)
  if (typeof top !== 'number') return top.refusal
  const value: unknown[] = []
  let at = skip.token?.at ?? 0
  while (at < source.items.length && value.length < top) {
    const item = source.items[at]
    if (item !== undefined && source.fits(item)) value.push(source.render(item))
    at += 1
  }
  let more = false
  for (let rest = at; rest < source.items.length && !more; rest += 1) {
    const item = source.items[rest]
    more = item !== undefined && source.fits(item)
  }
  const body: Record<string, unknown> = {
    '@odata.context': contextUrl(context.origin, source.context, source.names),
  }
  if (skip.token === null && option(request, '$count')?.toLowerCase() === 'true') {
    body['@odata.count'] = source.items.reduce((sum, item) => sum + (source.fits(item) ? 1 : 0), 0)
  }
  if (knobs.nextLinkLoop) {
    context.faults.applied('nextLinkLoop')
    body['@odata.nextLink'] = linkWith(request, context, source.path, option(request, '$skiptoken'))
  } else if (more) {
    const token = writeToken(context, source.path, { kind: 'list', at })
    body['@odata.nextLink'] = foreign(linkWith(request, context, source.path, token), context)
  }
  return ok({ ...body, value })
}

/** The list's own link with its options, at a page token. */
function linkWith(request: SimRequest, { origin }: GraphContext, path: string, token: string | null): string {
  const parts: string[] = []
  for (const [name, value] of request.query) {
    if (/^\$?skiptoken$/i.test(name)) continue
    parts.push(`${encodeURIComponent(name).replace('%24', '$')}=${encodeURIComponent(value)}`)
  }
  if (token !== null) parts.push(`$skiptoken=${token}`)
  return `${origin}/v1.0${path}${parts.length === 0 ? '' : `?${parts.join('&')}`}`
}
