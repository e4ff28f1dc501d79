import type { Facts } from './facts.ts'

export interface GroupOnPath {
  id: string
  name: string | null
}

/** The live groups of an Entra tenant that a term names. */
export function namedGroups(
  facts: Facts,
  entra: string,
  term: { group_id?: string; name?: string; pattern?: string },
): string[] {
  const named: string[] = []
  for (const group of facts.groups) {
    if (group.entra_tenant_id !== entra || group.deleted_at !== null) continue
    if (term.group_id !== undefined && group.object_id === term.group_id.toLowerCase())
      named.push(group.object_id)
    if (group.display_name === null) continue
    const name = group.display_name.toLowerCase()
    if (term.name !== undefined && name === term.name.toLowerCase()) named.push(group.object_id)
    if (term.pattern !== undefined && isLike(Array.from(name), Array.from(term.pattern.toLowerCase())))
      named.push(group.object_id)
  }
  return named
}

/** `*` is anything, `?` one character, everything else itself. */
function isLike(name: readonly string[], pattern: readonly string[]): boolean {
  const [first, ...rest] = pattern
  if (first === undefined) return name.length === 0
  if (first === '*') {
    for (let taken = 0; taken <= name.length; taken++) if (isLike(name.slice(taken), rest)) return true
    return false
  }
  return name.length > 0 && (first === '?' || first === name[0]) && isLike(name.slice(1), rest)
}

/**
 * From the named groups down: the way to each object below them, named group first. Of several ways the shortest, and
 * of the shortest the one with the smallest ids. A group that is gone leads nowhere.
 */
export function waysDown(facts: Facts, entra: string, roots: readonly string[]): Map<string, string[]> {
  const live = new Set(
    facts.groups
      .filter((group) => group.entra_tenant_id === entra && group.deleted_at === null)
      .map((group) => group.object_id),
  )
  const below = new Map<string, string[]>()
  for (const edge of facts.edges) {
    if (edge.entra_tenant_id !== entra) continue
    below.set(edge.group_id, [...(below.get(edge.group_id) ?? []), edge.member_id])
  }
  const ways = new Map<string, string[]>()
  const entered = new Set<string>()
  let level = [...new Set(roots)].map((root) => [root])
  while (level.length > 0) {
    // Sorted, so that the first way into a group or to a member is the smallest of its length.
    level.sort(smallerFirst)
    const next: string[][] = []
    for (const way of level) {
      const group = way.at(-1) ?? ''
      if (entered.has(group)) continue
      entered.add(group)
      for (const member of below.get(group) ?? []) {
        if (!ways.has(member)) ways.set(member, way)
        if (live.has(member) && !entered.has(member)) next.push([...way, member])
      }
    }
    level = next
  }
  return ways
}

export function smallerFirst(a: readonly string[], b: readonly string[]): number {
  if (a.length !== b.length) return a.length - b.length
  for (const [at, id] of a.entries()) {
    const other = b[at] ?? ''
    if (id !== other) return id < other ? -1 : 1
  }
  return 0
}

/** As reasons tell it: the member's own group first. */
export function told(facts: Facts, entra: string, way: readonly string[]): GroupOnPath[] {
  return way.toReversed().map((id) => {
    const group = facts.groups.find((one) => one.entra_tenant_id === entra && one.object_id === id)
    return { id, name: group?.display_name ?? null }
  })
}
