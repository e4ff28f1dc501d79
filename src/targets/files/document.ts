import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Node, type Pair } from 'yaml'
import { mostProblems } from './issues.ts'
import { pathText, placeIndex, type PlaceIndex } from './places.ts'
import type { FileProblem } from './types.ts'

/** Some 15,000 deployments. Parsing blocks the process: 2 MB took two seconds on a small machine. */
const largestBytes = 2 * 1024 * 1024
/** Values with every alias written out, so that a bomb of aliases costs no more than a large file. */
const mostValues = 500_000

/** After so many the rest follows from the first ones. */
const mostSyntaxErrors = 20

const oneDocument = 'A second document begins here (---). Make one file of each, or one list of both.'

export interface ReadDocument {
  /** Undefined where the text is no document at all; there are problems then. */
  value: unknown
  problems: FileProblem[]
  placeOf: PlaceIndex['placeOf']
  /** Where the last key on the way stands, rather than its value. */
  placeOfKey: PlaceIndex['placeOf']
}

/**
 * The one YAML or JSON document of a text as plain values, with the places of all of them. Never throws. Numbers under
 * the key `version` are text as it stands in the file: 1.10 is not 1.1. Merge keys (<<) are followed.
 */
export function readDocument(text: string, fileName: string): ReadDocument {
  const lines = new LineCounter()
  const index = placeIndex(fileName, lines)
  const problems: FileProblem[] = []
  const tell = (offset: number, code: string, message: string, path = ''): void => {
    if (problems.length >= mostProblems) return
    problems.push({ severity: 'error', code, message, place: index.at(offset, path) })
  }
  const read = { value: undefined as unknown, problems, placeOf: index.placeOf, placeOfKey: index.placeOfKey }
  const bytes = Buffer.byteLength(text)
  if (bytes > largestBytes) {
    tell(0, 'file_too_large', `The file has ${bytes} bytes; at most ${largestBytes} are read. Split it.`)
    return read
  }
  const nul = text.indexOf('\0')
  if (nul >= 0) {
    lines.addNewLine(0)
    for (let end = text.indexOf('\n'); end >= 0 && end < nul; end = text.indexOf('\n', end + 1)) {
      lines.addNewLine(end + 1)
    }
    tell(
      nul,
      'control_character',
      'There is a NUL character here: this is no text file, or not UTF-8. Save it as UTF-8.',
    )
    return read
  }
  try {
    // Keys that are there twice are found below: the parser's own search is quadratic.
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false })
    index.start(document.contents)
    const faults = new Map(
      [...document.errors, ...document.warnings].map((fault) => [`${fault.pos[0]} ${fault.message}`, fault]),
    )
    // The parser turns its own stack's overflow into a syntax error.
    if (document.errors.some(({ message }) => /stack/i.test(message))) throw new RangeError('too deep')
    for (const { pos, code, message } of [...faults.values()].slice(0, mostSyntaxErrors)) {
      tell(pos[0], 'syntax', code === 'MULTIPLE_DOCS' ? oneDocument : sentence(message))
    }
    if (document.errors.length > 0) return read
    if (document.contents === null) {
      tell(0, 'file_empty', 'The file is empty. It must be a map with deployments.')
      return read
    }
    const value = converter(tell, index.link)(document.contents)
    if (!problems.some(({ code }) => code === 'aliases_too_many')) read.value = value
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    tell(0, 'file_too_deep', 'Lists and maps are nested too deep in this file to be read.')
  }
  return read
}

/**
 * A document that came as JSON, and so needs no parser of YAML: that one blocks the process for seconds at a megabyte.
 * All its places are line 1, with their path. At most some thousand levels deep.
 */
export function documentOf(given: Record<string, unknown>, fileName: string): ReadDocument {
  const placeOf = (path: readonly PropertyKey[]) => ({
    file: fileName,
    line: 1,
    column: 1,
    path: pathText(path),
  })
  return { value: withTextVersions(given), problems: [], placeOf, placeOfKey: placeOf }
}

function withTextVersions(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withTextVersions)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      name === 'version' && typeof inner === 'number' ? String(inner) : withTextVersions(inner),
    ]),
  )
}

type Tell = (offset: number, code: string, message: string, path?: string) => void

/** Turns nodes into values, in the order of the document, which gives an alias the anchor before it. */
function converter(tell: Tell, link: (alias: Node, target: Node) => void): (root: Node) => unknown {
  const anchors = new Map<string, Node>()
  const done = new Map<Node, { value: unknown; size: number }>()
  let size = 0
  let full = false

  function convert(node: unknown): unknown {
    if (isAlias(node)) return follow(node)
    if (!isScalar(node) && !isMap(node) && !isSeq(node)) return null
    if (node.anchor !== undefined) anchors.set(node.anchor, node)
    const before = size
    size += 1
    const value = isScalar(node) ? node.value : isSeq(node) ? node.items.map(convert) : convertMap(node.items)
    if (node.anchor !== undefined) done.set(node, { value, size: size - before })
    return value
  }

  function follow(alias: Node & { source: string }): unknown {
    const offset = alias.range?.[0] ?? 0
    const target = anchors.get(alias.source)
    if (target === undefined) {
      tell(offset, 'alias_unknown', `There is no &${alias.source} before *${alias.source}.`)
      return null
    }
    const known = done.get(target)
    if (known === undefined) {
      tell(
        offset,
        'alias_circular',
        `*${alias.source} stands inside of &${alias.source}: it would have no end.`,
      )
      return null
    }
    size += known.size
    if (size > mostValues) {
      if (!full)
        tell(offset, 'aliases_too_many', `With all its aliases the file has more than ${mostValues} values.`)
      full = true
      return null
    }
    link(alias, target)
    return known.value
  }

  function convertMap(pairs: readonly Pair[]): Record<string, unknown> {
    const own = new Map<string, unknown>()
    const merged: unknown[] = []
    for (const { key, value } of pairs) {
      const name = keyOf(key)
      const offset = isScalar(key) ? (key.range?.[0] ?? 0) : 0
      if (name === '<<') {
        const from = convert(value)
        merged.push(...(Array.isArray(from) ? (from as unknown[]) : [from]))
        continue
      }
      if (own.has(name)) tell(offset, 'key_twice', `${name} is there twice. Remove one of the two.`)
      const converted = convert(value)
      own.set(name, name === 'version' ? asWritten(value, converted) : converted)
    }
    // Merged maps give what is not there, the first one first.
    for (const from of merged) {
      if (typeof from !== 'object' || from === null) continue
      for (const [name, value] of Object.entries(from)) if (!own.has(name)) own.set(name, value)
    }
    return Object.fromEntries(own)
  }

  function asWritten(node: unknown, value: unknown): unknown {
    const scalar = isAlias(node) ? anchors.get(node.source) : node
    return typeof value === 'number' && isScalar(scalar) ? (scalar.source ?? value) : value
  }

  return convert
}

/** A key as text; for one that is a list or map, which is wrong anyway, a question mark. */
function keyOf(key: unknown): string {
  if (isScalar(key)) return key.source ?? String(key.value)
  return isAlias(key) ? `*${key.source}` : '?'
}

function sentence(message: string): string {
  const first = message.split('\n')[0] ?? message
  return /[.!?]$/.test(first) ? first : `${first}.`
}
