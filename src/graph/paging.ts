import { hash } from 'node:crypto'
import { z } from 'zod'
import type { ClientContext } from './call.ts'
import { malformed } from './json.ts'
import { graphLink, pathOf } from './origin.ts'

/** One page of a collection, whose objects are still to be parsed. */
export interface GraphPage {
  /** Where this page was read from. */
  link: string
  value: unknown[]
  /** The page after this one; null on the last. */
  nextLink: string | null
  /** On the last page of a delta round: where the next round begins. */
  deltaLink: string | null
}

const pageSchema = z.object({
  value: z.array(z.unknown()),
  '@odata.nextLink': z.string().nullish(),
  '@odata.deltaLink': z.string().nullish(),
})

/** True for `/users/delta?...` and its other spellings, `/users/delta()` and `/users/microsoft.graph.delta()`. */
export function isDelta(link: string): boolean {
  return /\/(microsoft\.graph\.)?delta(\(.*\))?$/i.test(pathOf(link))
}

/**
 * Checks a page's outer form. Throws malformed: `value` no array, both links at once, a delta round that ends
 * without a deltaLink; foreign_origin: a link that leads elsewhere, so that none such is ever stored.
 */
export function readPage(graphUrl: string, link: string, body: unknown): GraphPage {
  const resource = pathOf(link)
  const parsed = pageSchema.safeParse(body)
  if (!parsed.success)
    throw malformed('no_page', 'The answer is not a page of a Graph collection.', resource, parsed.error)
  const nextLink = parsed.data['@odata.nextLink'] || null
  const deltaLink = parsed.data['@odata.deltaLink'] || null
  if (nextLink && deltaLink)
    throw malformed('two_links', 'The page has a nextLink and a deltaLink.', resource)
  if (!nextLink && !deltaLink && isDelta(link))
    throw malformed('no_link', 'The page of a delta round has neither nextLink nor deltaLink.', resource)
  if (nextLink !== null) graphLink(graphUrl, nextLink)
  if (deltaLink !== null) graphLink(graphUrl, deltaLink)
  return { link, value: parsed.data.value, nextLink, deltaLink }
}

/**
 * Yields the pages from a path or link on. While the consumer works on one page the next is already on its way, just one:
 * memory is two pages. When the consumer stops (return, throw, signal) that request is aborted and awaited, so no
 * socket and no unhandled rejection outlives the loop. A page whose nextLink was followed before is malformed and is
 * not yielded, nor is one beyond `maxPages`.
 */
export async function* pages(
  context: ClientContext,
  get: (link: string, options: { signal: AbortSignal }) => Promise<unknown>,
  pathOrLink: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<GraphPage, void, undefined> {
  const start = graphLink(context.graphUrl, pathOrLink)
  const stop = new AbortController()
  const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal
  const followed = new Set<string>([digest(start)])

  async function read(link: string): Promise<GraphPage> {
    return readPage(context.graphUrl, link, await get(link, { signal: either }))
  }

  let ahead: Promise<GraphPage> | undefined = read(start)
  try {
    for (let count = 1; ahead; count++) {
      const page: GraphPage = await ahead
      ahead = undefined
      if (page.nextLink !== null) {
        const key = digest(page.nextLink)
        if (followed.has(key))
          throw malformed('link_loop', 'A nextLink leads to a page that was read before.', pathOf(page.link))
        if (count >= context.limits.maxPages)
          throw malformed('too_many_pages', `The listing has more than ${count} pages.`, pathOf(page.link))
        followed.add(key)
        ahead = read(page.nextLink)
        // It may fail while the consumer is busy; the next turn of the loop throws it.
        ahead.catch(() => undefined)
      }
      yield page
    }
  } finally {
    stop.abort()
    await ahead?.catch(() => undefined)
  }
}

/** 44 characters for a link of up to 2 kB: 100,000 of them are remembered. */
function digest(link: string): string {
  return hash('sha256', link, 'base64')
}
