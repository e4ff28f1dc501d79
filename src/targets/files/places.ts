import { isAlias, isMap, isScalar, isSeq, type LineCounter, type Node, type Pair, type YAMLMap } from 'yaml'
import type { FileProblem, Place } from './types.ts'

export type PlaceIndex = ReturnType<typeof placeIndex>

/** Finds the place of a value by the way to it, through aliases and merge keys. */
export function placeIndex(file: string, lines: LineCounter) {
  const targets = new Map<Node, Node>()
  const pairs = new Map<YAMLMap, Map<string | undefined, Pair>>()
  let root: Node | null = null

  function at(offset: number, path: string): Place {
    const { line, col } = lines.linePos(offset)
    return { file, line: Math.max(1, line), column: Math.max(1, col), path }
  }

  /** Pairs by name, the last of a name. Kept, since a faulty map may be asked for all of its keys. */
  function pairsOf(map: YAMLMap): Map<string | undefined, Pair> {
    const known = pairs.get(map) ?? new Map(map.items.map((pair) => [nameOf(pair.key), pair]))
    pairs.set(map, known)
    return known
  }

  /** Key and value at a name of a map, or at a number of a list. */
  function childOf(node: unknown, name: PropertyKey): { key: unknown; value: unknown } | undefined {
    const held = isAlias(node) ? targets.get(node) : node
    if (isSeq(held)) {
      const value: unknown = held.items[Number(name)]
      return value === undefined ? undefined : { key: value, value }
    }
    if (!isMap(held)) return undefined
    const own = pairsOf(held).get(String(name))
    if (own !== undefined) return { key: own.key, value: own.value }
    for (const { key, value } of held.items) {
      if (nameOf(key) !== '<<') continue
      const merged = isSeq(value) ? value.items : [value]
      for (const from of merged) {
        const found = childOf(from, name)
        if (found !== undefined) return found
      }
    }
    return undefined
  }

  /** Offsets of the deepest part of the way that is there. An empty value stands nowhere: its key does for it. */
  function offsetOf(path: readonly PropertyKey[], ofKey: boolean): number {
    let node: unknown = root
    let offset = startOf(root) ?? 0
    for (const [depth, name] of path.entries()) {
      const child = childOf(node, name)
      if (child === undefined) return offset
      const key = startOf(child.key)
      const wantsKey = (ofKey && depth === path.length - 1) || isEmpty(child.value)
      offset = (wantsKey ? key : startOf(child.value)) ?? key ?? offset
      node = child.value
    }
    return offset
  }

  return {
    at,
    start(contents: Node | null): void {
      root = contents
    },
    /** An alias and what it stands for. */
    link(alias: Node, target: Node): void {
      targets.set(alias, target)
    },
    placeOf: (path: readonly PropertyKey[]): Place => at(offsetOf(path, false), pathText(path)),
    placeOfKey: (path: readonly PropertyKey[]): Place => at(offsetOf(path, true), pathText(path)),
  }
}

function nameOf(key: unknown): string | undefined {
  return isScalar(key) ? (key.source ?? String(key.value)) : undefined
}

function startOf(node: unknown): number | undefined {
  return isScalar(node) || isMap(node) || isSeq(node) || isAlias(node) ? node.range?.[0] : undefined
}

function isEmpty(node: unknown): boolean {
  return (
    !isAlias(node) && (node === null || (isScalar(node) && (node.source ?? '') === '' && node.value === null))
  )
}

/** `deployments[2].target.group` */
export function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '')
}

/** One line for a person: `deployments.yaml:12:5: error: …` */
export function describeProblem({ severity, message, place }: FileProblem): string {
  return `${place.file}:${place.line}:${place.column}: ${severity}: ${message}`
}

/** In the order of their places, which is how a person goes through the file. */
export function inOrder(problems: readonly FileProblem[]): FileProblem[] {
  return problems.toSorted(
    ({ place: one }, { place: other }) => one.line - other.line || one.column - other.column,
  )
}
