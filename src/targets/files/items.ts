import type { Tell } from './drafts.ts'
import type { KnownItem } from './lookups/words.ts'
import { nearest } from './nearest.ts'
import type { ParsedFile, ResolvedItem } from './types.ts'

/** The maintenance items of a file by their names in lower case: those that it lists and those that are only used. */
export function resolveItems(
  { items, deployments }: ParsedFile,
  known: ReadonlyMap<string, KnownItem>,
  tell: Tell,
): Map<string, ResolvedItem> {
  const resolved = new Map<string, ResolvedItem>()
  const used = new Set(deployments.map(({ entry }) => entry.item.toLowerCase()))
  for (const { entry, path } of items) {
    const key = entry.name.toLowerCase()
    const there = known.get(key)
    if (there !== undefined && entry.kind !== undefined && entry.kind !== there.kind) {
      const message = `${there.name} is known as ${there.kind}. Remove kind, or give this item another name.`
      tell('error', 'item_kind', [...path, 'kind'], message)
    }
    if (!used.has(key) && !there?.hasDeployment) {
      tell('warning', 'item_without_deployment', path, `No deployment has the item ${entry.name}.`)
    }
    resolved.set(key, itemOf(entry.name, entry.kind ?? 'software', there))
  }
  const names = [...known.values(), ...resolved.values()].map(({ name }) => name)
  for (const { entry, path } of deployments) {
    const key = entry.item.toLowerCase()
    if (resolved.has(key)) continue
    const there = known.get(key)
    resolved.set(key, itemOf(entry.item, 'software', there))
    const [near] = there === undefined ? nearest(entry.item, names) : []
    if (near === undefined) continue
    const message = `There is no item ${JSON.stringify(entry.item)} yet: it is made as software. Or is ${near} meant?`
    tell('warning', 'item_resembles', [...path, 'item'], message)
  }
  return resolved
}

function itemOf(name: string, kind: 'software' | 'task', there: KnownItem | undefined): ResolvedItem {
  return there === undefined
    ? { name, kind, itemId: null }
    : { name: there.name, kind: there.kind, itemId: there.itemId }
}
