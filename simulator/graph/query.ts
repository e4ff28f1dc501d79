import type { SimRequest, SimResponse } from '../types.ts'
import { badRequest, failure } from './answers.ts'
import type { EntityType } from './properties.ts'

/** An OData option, by name with `$`. Names are case-blind, and Graph takes them without `$` too. */
export function option(request: SimRequest, name: string): string | null {
  const bare = name.slice(1).toLowerCase()
  for (const [key, value] of request.query) {
    if (key.toLowerCase().replace(/^\$/, '') === bare) return value
  }
  return null
}

export function header(request: SimRequest, name: string): string {
  return request.headers[name] ?? ''
}

/** True with the header that moves a query to the eventually consistent index. */
export function isEventual(request: SimRequest): boolean {
  return header(request, 'consistencylevel').toLowerCase() === 'eventual'
}

/** Names in $select, null without it, or the refusal of one that the type has not. Navigations are told apart. */
export function readSelect(
  text: string | null,
  type: EntityType,
  navigations: readonly string[] = [],
): { names: string[] | null; navigations: string[] } | { refusal: SimResponse } {
  if (text === null || text.trim() === '') return { names: null, navigations: [] }
  const names: string[] = []
  const followed: string[] = []
  for (const part of text.split(',')) {
    const name = part.trim()
    const navigation = navigations.find((each) => each === name.toLowerCase())
    if (navigation !== undefined) followed.push(navigation)
    else if (type.elsewhere.has(name)) {
      return {
        refusal: failure(
          501,
          'NotImplemented',
          `The property '${name}' is not available in this collection.`,
        ),
      }
    } else if (!type.properties.has(name)) {
      return {
        refusal: failure(
          400,
          'BadRequest',
          `Parsing OData Select and Expand failed: Could not find a property named '${name}' on type 'microsoft.graph.${type.name}'.`,
        ),
      }
    } else names.push(name)
  }
  return { names: [...new Set(['id', ...names])], navigations: followed }
}

/** Objects a page: $top from 1 to 999, 100 without it, less where a knob says so. */
export function readTop(text: string | null, pageSize: number | null): number | { refusal: SimResponse } {
  const wanted = text === null ? 100 : Number(text)
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > 999) {
    return {
      refusal: badRequest(`Invalid page size specified: '${text}'. Must be between 1 and 999 inclusive.`),
    }
  }
  return Math.min(wanted, pageSize ?? wanted)
}
