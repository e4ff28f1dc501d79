import type { Directory } from '../directory/directory.ts'
import type { ObjectTable } from '../directory/object-table.ts'
import type { DirectoryObject } from '../directory/objects.ts'
import type { GraphContext, SimRequest, SimResponse } from '../types.ts'
import { badRequest, ok, unsupportedQuery } from './answers.ts'
import { buildPage } from './delta-page.ts'
import { contextUrl, readDeltaToken, readSkipToken, writeToken } from './page-token.ts'
import type { Round, Tracked } from './page-token.ts'
import type { EntityType } from './properties.ts'
import { option, readSelect } from './query.ts'

/** One of the collections that Graph tracks. */
export interface DeltaSource {
  collection: 'users' | 'groups' | 'devices'
  type: EntityType
  table(directory: Directory): ObjectTable<DirectoryObject>
}

/**
 * Answers `/{collection}/delta`. A round enumerates everything (no token, or an empty one) or tells what happened since
 * its token; it goes up to where the log stood at its start, later changes are for the next round. Objects are told as
 * they are when their page is made, so a page may be fresher than its round, never older.
 */
export function answerDelta(request: SimRequest, context: GraphContext, source: DeltaSource): SimResponse {
  const path = `/${source.collection}/delta`
  const skip = readSkipToken(request, context, path, 'round')
  if ('refusal' in skip) return skip.refusal
  const deltaText = option(request, '$deltatoken')
  if (skip.token !== null) {
    if (deltaText !== null) return badRequest('A link has a page token or a delta token, not both.')
    return answerPage(request, context, source, skip.token.round, skip.token.tracked)
  }
  const { knobs } = context.faults
  const table = source.table(context.tenant.directory)
  const visible = knobs.lateMs === 0 ? table.log.length : table.visibleSeq(context.now() - knobs.lateMs)
  if (deltaText !== null && deltaText !== '' && deltaText.toLowerCase() !== 'latest') {
    const token = readDeltaToken(deltaText, context, path)
    if ('refusal' in token) return token.refusal
    const from = replayFrom(token.seq, context)
    const to = Math.max(token.seq, visible)
    return answerPage(request, context, source, startRound(from, to, to - from, context), token.tracked)
  }
  const tracked = readTracked(request, source)
  if ('refusal' in tracked) return tracked.refusal
  if (deltaText?.toLowerCase() === 'latest') {
    const link = deltaLink(context, path, visible, tracked)
    return ok({
      '@odata.context': bodyContext(context, source, tracked),
      '@odata.deltaLink': link,
      value: [],
    })
  }
  const round = startRound(null, visible, table.countAt(visible), context)
  return answerPage(request, context, source, round, tracked)
}

function readTracked(request: SimRequest, source: DeltaSource): Tracked | { refusal: SimResponse } {
  const expand = option(request, '$expand')
  // Old samples expand members; Graph still takes it, and answers as if they were selected.
  const expandsMembers =
    source.collection === 'groups' && /^members(\(\$select=id\))?$/i.test(expand?.trim() ?? '')
  if (expand !== null && !expandsMembers) {
    return {
      refusal: unsupportedQuery(`$expand is not supported for change tracking on '${source.collection}'.`),
    }
  }
  for (const name of ['$orderby', '$search', '$skip']) {
    if (option(request, name) !== null) {
      return {
        refusal: unsupportedQuery(`${name} is not supported for change tracking on '${source.collection}'.`),
      }
    }
  }
  const select = readSelect(
    option(request, '$select'),
    source.type,
    source.collection === 'groups' ? ['members'] : [],
  )
  if ('refusal' in select) return select
  const ids = readIds(option(request, '$filter'))
  if (ids !== null && 'refusal' in ids) return ids
  return {
    names: select.names,
    // Without any $select the set that comes by default has the members in it.
    members:
      source.collection === 'groups' &&
      (expandsMembers || select.names === null || select.navigations.length > 0),
    ids,
  }
}

const mostIds = 50

function readIds(filter: string | null): string[] | null | { refusal: SimResponse } {
  if (filter === null || filter.trim() === '') return null
  const ids: string[] = []
  for (const part of filter.split(/\s+or\s+/i)) {
    const id = /^\s*\(?\s*id\s+eq\s+'([^']+)'\s*\)?\s*$/i.exec(part)?.[1]
    if (id === undefined) return { refusal: unsupportedQuery('Change tracking takes a $filter by id only.') }
    ids.push(id.toLowerCase())
  }
  if (ids.length > mostIds) return { refusal: unsupportedQuery(`A $filter may name ${mostIds} ids at most.`) }
  return ids
}

/** The seq that a round tells from: an earlier one now and then, where replays are on. */
function replayFrom(seq: number, { faults }: GraphContext): number {
  if (seq === 0 || faults.random() >= faults.knobs.replays) return seq
  faults.applied('replays')
  return Math.max(0, seq - 1 - Math.floor(faults.random() * 500))
}

function startRound(from: number | null, to: number, places: number, { faults }: GraphContext): Round {
  const round: Round = { from, to, at: 0, step: 1, offset: 0, open: [], again: [], empty: 0 }
  if (!faults.knobs.shuffle || places < 2) return round
  faults.applied('shuffle')
  round.offset = Math.floor(faults.random() * places)
  round.step = 1 + Math.floor(faults.random() * (places - 1))
  while (divisor(round.step, places) !== 1) round.step = (round.step % places) + 1
  return round
}

/** Greatest common divisor: a step without one in common with the number of places visits them all. */
function divisor(left: number, right: number): number {
  return right === 0 ? left : divisor(right, left % right)
}

function answerPage(
  request: SimRequest,
  context: GraphContext,
  source: DeltaSource,
  round: Round,
  tracked: Tracked,
): SimResponse {
  const path = `/${source.collection}/delta`
  const { faults, origin } = context
  const { value, next } = buildPage(request, context, source, round, tracked)
  const body: Record<string, unknown> = { '@odata.context': bodyContext(context, source, tracked) }
  if (faults.knobs.nextLinkLoop) {
    faults.applied('nextLinkLoop')
    const query = request.query.toString().replaceAll('%24', '$')
    body['@odata.nextLink'] = `${origin}/v1.0${path}${query === '' ? '' : `?${query}`}`
  } else {
    const name = next === null ? '@odata.deltaLink' : '@odata.nextLink'
    const link =
      next === null
        ? deltaLink(context, path, round.to, tracked)
        : `${origin}/v1.0${path}?$skiptoken=${writeToken(context, path, { kind: 'round', round: next, tracked })}`
    body[name] = foreign(link, context)
  }
  return ok({ ...body, value })
}

function deltaLink(context: GraphContext, path: string, seq: number, tracked: Tracked): string {
  return `${context.origin}/v1.0${path}?$deltatoken=${writeToken(context, path, { kind: 'delta', seq, tracked })}`
}

function bodyContext({ origin }: GraphContext, source: DeltaSource, tracked: Tracked): string {
  return contextUrl(origin, source.collection, tracked.names)
}

/** The link, on another origin where that knob is set. */
export function foreign(link: string, { origin, faults }: GraphContext): string {
  const { foreignNextLink } = faults.knobs
  if (foreignNextLink === null) return link
  faults.applied('foreignNextLink')
  return `${foreignNextLink}${link.slice(origin.length)}`
}
