import type { Directory } from '../directory/directory.ts'
import type { ObjectTable } from '../directory/object-table.ts'
import type { DirectoryObject } from '../directory/objects.ts'
import type { GraphContext, SimRequest, SimResponse } from '../types.ts'
import { noObject, ok, text, unsupportedQuery } from './answers.ts'
import { compileFilter } from './filter.ts'
import { answerList } from './list.ts'
import { contextUrl } from './page-token.ts'
import type { EntityType } from './properties.ts'
import { isEventual, option, readSelect } from './query.ts'
import { propertyOf, renderObject, renderReduced } from './render.ts'

/** A directory collection as lists read it. */
export interface Collection {
  collection: 'users' | 'groups' | 'devices'
  type: EntityType
  table(directory: Directory): ObjectTable<DirectoryObject>
  /** False: that property may not be read with these roles, and comes as null. */
  may?: (name: string, roles: readonly string[]) => boolean
  /** More to tell of an object, as an expanded navigation. */
  expand?: (request: SimRequest, context: GraphContext, object: DirectoryObject) => Record<string, unknown>
}

const advancedOnly =
  'This query needs the header ConsistencyLevel: eventual and $count=true: it is an advanced query.'

/** `GET /users` and its like: $select, $filter, $top, $count; `state` deleted lists what can be restored. */
export function listObjects(
  request: SimRequest,
  context: GraphContext,
  { collection, type, table, may, expand }: Collection,
  options: { path?: string; state?: 'live' | 'deleted' } = {},
): SimResponse {
  const refusal = refuseOptions(request)
  if (refusal !== null) return refusal
  const select = readSelect(option(request, '$select'), type)
  if ('refusal' in select) return select.refusal
  const filter = readFilter(request, option(request, '$count')?.toLowerCase() === 'true')
  if (filter !== null && 'refusal' in filter) return filter.refusal
  const { directory } = context.tenant
  const objects = table(directory)
  const { faults } = context
  const { knobs } = faults
  const reduced = knobs.reduced.includes(collection)
  if (reduced) faults.applied('reduced')
  const seen = knobs.lateMs === 0 ? Infinity : objects.visibleSeq(context.now() - knobs.lateMs)
  const state = options.state ?? 'live'
  return answerList(request, context, {
    path: options.path ?? `/${collection}`,
    context: options.path?.slice(1) ?? collection,
    names: select.names,
    items: objects.order,
    fits: (object) =>
      object.state === state &&
      object.createdSeq <= seen &&
      (filter === null || filter.fits((path) => propertyOf(object, path, type, directory))),
    render: (object) =>
      reduced
        ? renderReduced(object.id, select.names, type)
        : {
            ...renderObject(
              object,
              select.names,
              type,
              directory,
              (name) => may?.(name, context.roles) ?? true,
            ),
            ...expand?.(request, context, object),
          },
  })
}

/** `GET /users/$count`: plain text. */
export function countObjects(
  request: SimRequest,
  context: GraphContext,
  { type, table }: Collection,
): SimResponse {
  if (!isEventual(request)) return unsupportedQuery(advancedOnly)
  const filter = readFilter(request, true)
  if (filter !== null && 'refusal' in filter) return filter.refusal
  const { directory } = context.tenant
  const objects = table(directory)
  if (filter === null) return text(String(objects.live))
  const fits = objects.order.filter(
    (object) => object.state === 'live' && filter.fits((path) => propertyOf(object, path, type, directory)),
  )
  return text(String(fits.length))
}

/** `GET /users/{id}` and its like. */
export function readObject(
  request: SimRequest,
  context: GraphContext,
  { collection, type, may, expand }: Collection,
  object: DirectoryObject | undefined,
  id: string,
): SimResponse {
  // Mailbox and other far-away properties are good here, but nothing is known of them.
  const select = readSelect(option(request, '$select'), { ...type, elsewhere: new Set() })
  if ('refusal' in select) return select.refusal
  if (object?.state !== 'live') return noObject(id)
  const { faults, tenant, origin } = context
  const reduced = faults.knobs.reduced.includes(collection)
  if (reduced) faults.applied('reduced')
  return ok({
    '@odata.context': `${contextUrl(origin, collection, select.names)}/$entity`,
    ...(reduced
      ? renderReduced(object.id, select.names, type)
      : renderObject(
          object,
          select.names,
          type,
          tenant.directory,
          (name) => may?.(name, context.roles) ?? true,
        )),
    ...expand?.(request, context, object),
  })
}

function readFilter(request: SimRequest, counts: boolean): ReturnType<typeof compileFilter> | null {
  const written = option(request, '$filter')
  if (written === null || written.trim() === '') return null
  const filter = compileFilter(written)
  if ('refusal' in filter) return filter
  if (filter.advanced && !(counts && isEventual(request))) return { refusal: unsupportedQuery(advancedOnly) }
  return filter
}

function refuseOptions(request: SimRequest): SimResponse | null {
  for (const name of ['$skip', '$search', '$orderby']) {
    if (option(request, name) !== null)
      return unsupportedQuery(`The query option '${name}' is not supported here.`)
  }
  if (option(request, '$count')?.toLowerCase() === 'true' && !isEventual(request)) {
    return unsupportedQuery(advancedOnly)
  }
  return null
}
