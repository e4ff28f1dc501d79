import { isNode, LineCounter, parseDocument, type Document } from 'yaml'
import { z } from 'zod'
import { builtInEntitlements } from './built-in-entitlements.ts'

/** An app entitlement of APP_ENTITLEMENTS_FILE. */
export interface ConfiguredEntitlement {
  name: string
  /** null = a built-in one, which gets further plans. */
  productName: string | null
  yieldsTo: string | null
  plans: { id: string; name: string }[]
}

/** A place in the file and what is wrong there, with what to do. */
export interface EntitlementProblem {
  line: number
  text: string
}

const text = (what: string) =>
  z
    .string(`${what} must be text.`)
    .trim()
    .min(1, `${what} is empty.`)
    .max(200, `${what} is longer than 200 characters.`)
    // Postgres stores no NUL and no half of a pair of surrogates; the rest would garble a terminal.
    .regex(/^[^\p{Cc}\p{Cs}]*$/u, `${what} has a control character or half a character in it.`)
const identifier = (what: string) =>
  z
    .string(`${what} must be text.`)
    .regex(/^[a-z0-9_]+$/, `${what} must be of small letters, digits and _ only.`)

const plan = z.strictObject(
  {
    id: z.guid('id must be the service plan id, a GUID.').transform((id) => id.toLowerCase()),
    name: text('name'),
  },
  { error: ({ code }) => (code === 'invalid_type' ? 'a plan is an id and a name.' : undefined) },
)
const entitlement = z.strictObject(
  {
    name: identifier('name'),
    product_name: text('product_name').optional(),
    yields_to: identifier('yields_to').optional(),
    plans: z.array(plan, 'plans must be a list of plans, each with id and name.').min(1, 'plans is empty.'),
  },
  { error: ({ code }) => (code === 'invalid_type' ? 'an entitlement is a name and plans.' : undefined) },
)
type Entry = z.output<typeof entitlement>

/**
 * Reads APP_ENTITLEMENTS_FILE, YAML or JSON: `entitlements`, a list of name, product_name, yields_to and plans. Tells
 * everything that is wrong, in the order of the lines; with problems no entitlement is to be used.
 */
export function readAppEntitlements(source: string): {
  entitlements: ConfiguredEntitlement[]
  problems: EntitlementProblem[]
} {
  const lines = new LineCounter()
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false })
  const problems: EntitlementProblem[] = []
  const lineAt = (offset: number): number => Math.max(1, lines.linePos(offset).line)
  const tell = (path: readonly PropertyKey[], told: string): void => {
    problems.push({ line: lineAt(offsetOf(document, path)), text: told })
  }
  if (document.errors.length > 0) {
    for (const { pos, message } of document.errors)
      problems.push({ line: lineAt(pos[0]), text: sentence(message) })
    return { entitlements: [], problems }
  }
  let given: unknown
  try {
    given = document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error
    tell(
      [],
      `its aliases (*name) can't be followed: ${sentence(error.message)} Write out what they stand for.`,
    )
    return { entitlements: [], problems }
  }
  const outer = z.strictObject({ entitlements: z.array(z.unknown()) }).safeParse(given)
  if (!outer.success) {
    tell([], 'the file must hold one list, entitlements, and nothing else.')
    return { entitlements: [], problems }
  }
  const entries: { entry: Entry; at: number }[] = []
  for (const [at, each] of outer.data.entitlements.entries()) {
    const read = entitlement.safeParse(each)
    if (read.success) entries.push({ entry: read.data, at })
    else for (const issue of read.error.issues) tellIssue(tell, ['entitlements', at], issue)
  }
  const names = new Set(outer.data.entitlements.map(nameOf))
  for (const { entry, at } of entries) judge(entry, ['entitlements', at], { entries, names, at }, tell)
  problems.sort((one, other) => one.line - other.line)
  const entitlements = entries.map(({ entry }) => ({
    name: entry.name,
    productName: entry.product_name ?? null,
    yieldsTo: entry.yields_to ?? null,
    plans: entry.plans,
  }))
  return { entitlements: problems.length > 0 ? [] : entitlements, problems }
}

type Tell = (path: readonly PropertyKey[], told: string) => void

function tellIssue(tell: Tell, at: readonly PropertyKey[], issue: z.core.$ZodIssue): void {
  const path = [...at, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    for (const key of issue.keys) tell([...path, key], `${JSON.stringify(key)} is not known here.`)
    return
  }
  tell(path, issue.message)
}

/** What one entry may not say because of others: those that are built in and those of the file. */
function judge(
  entry: Entry,
  path: readonly PropertyKey[],
  file: { entries: { entry: Entry; at: number }[]; names: ReadonlySet<string | undefined>; at: number },
  tell: Tell,
): void {
  const builtIn = builtInEntitlements.get(entry.name)
  const { name } = entry
  if (file.entries.some((other) => other.entry.name === name && other.at < file.at))
    tell([...path, 'name'], `${name} is there twice. Put all its plans into one entry.`)
  if (builtIn !== undefined) {
    for (const key of ['product_name', 'yields_to'] as const) {
      if (entry[key] !== undefined)
        tell([...path, key], `${name} is built in and keeps its ${key}. Leave it out, or use another name.`)
    }
  } else if (entry.product_name === undefined) {
    tell(path, `${name} is not built in, so it needs a product_name. Built in are ${listed()}.`)
  }
  if (entry.yields_to !== undefined && builtIn === undefined) judgeYield(entry, path, file, tell)
  const seen = new Set<string>()
  for (const [index, { id, name: planName }] of entry.plans.entries()) {
    const at = [...path, 'plans', index, 'id']
    if (seen.has(id)) tell(at, `${planName} is there twice. Remove one of the two.`)
    seen.add(id)
    const owner = [...builtInEntitlements].find(([, plans]) => plans.has(id))
    if (builtIn !== undefined && owner !== undefined)
      tell(at, `${owner[1].get(id)} is built in as a plan of ${owner[0]} and stays that. Remove it here.`)
  }
}

function judgeYield(
  { name, yields_to: to = '' }: Entry,
  path: readonly PropertyKey[],
  { entries, names }: { entries: { entry: Entry }[]; names: ReadonlySet<string | undefined> },
  tell: Tell,
): void {
  const at = [...path, 'yields_to']
  if (!builtInEntitlements.has(to) && !names.has(to)) {
    tell(at, `${to} is not known. Name an entitlement of this file or one of ${listed()}.`)
    return
  }
  const nextOf = (one: string): string | undefined =>
    entries.find(({ entry }) => entry.name === one)?.entry.yields_to
  const passed = new Set<string>()
  for (let next: string | undefined = to; next !== undefined && !passed.has(next); next = nextOf(next)) {
    passed.add(next)
  }
  if (passed.has(name)) tell(at, `${name} would yield to itself by way of ${to}. Remove one of the two.`)
}

const listed = (): string => [...builtInEntitlements.keys()].join(', ')

function nameOf(entry: unknown): string | undefined {
  return z.object({ name: z.string() }).safeParse(entry).data?.name
}

/** Where the deepest part of the path that is there begins. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length -= 1) {
    const node: unknown = document.getIn(path.slice(0, length), true)
    if (isNode(node) && node.range) return node.range[0]
  }
  return document.contents?.range?.[0] ?? 0
}

function sentence(message: string): string {
  const first = message.split('\n')[0] ?? message
  return /[.!?]$/.test(first) ? first : `${first}.`
}
