import { mostProblems, type Finding } from './issues.ts'
import { pathText } from './places.ts'
import { knownKeys } from './schema.ts'

type Values = Record<string, unknown>

const numbers: Readonly<Record<number, string>> = { 2: 'two', 3: 'three' }

const guid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** True for an object id, SKU id and so on, as Postgres takes it. */
export function isGuid(text: string): boolean {
  return guid.test(text)
}

/**
 * What the keys of a file say together, and no key alone. Works on values that may be wrong in any other way, so that
 * a file's problems are told all at once.
 */
export function checkTogether(file: unknown, fileSource: string): Finding[] {
  const { source, items, deployments } = mapOf(file)
  const listed = listOf(deployments)
  const checked: Finding[] = []
  for (const [at, each] of listed.entries()) {
    if (checked.length >= mostProblems) break
    checked.push(...checkDeployment(mapOf(each), ['deployments', at]))
  }
  return [
    ...checkSource(source, fileSource),
    ...twice(listOf(items), 'items', (name) => name.toLowerCase()),
    ...twice(listed, 'deployments', (name) => name),
    ...checked,
  ]
}

function checkSource(source: unknown, fileSource: string): Finding[] {
  if (source !== 'table' && (source !== undefined || fileSource !== 'table')) return []
  const message =
    'source must not be table: that stands for deployments written by SQL or the API, which a file may not prune.'
  return [{ code: 'source_reserved', path: ['source'], message }]
}

/** Names that are there before. */
function twice(entries: readonly unknown[], list: string, key: (name: string) => string): Finding[] {
  const first = new Map<string, number>()
  return entries.flatMap((entry, at) => {
    const { name } = mapOf(entry)
    if (typeof name !== 'string' || name.trim() === '') return []
    const before = first.get(key(name.trim()))
    if (before === undefined) first.set(key(name.trim()), at)
    if (before === undefined) return []
    const message = `${JSON.stringify(name.trim())} is there twice: ${list}[${before}] has this name as well. Rename one of the two.`
    return [{ code: 'name_twice', path: [list, at, 'name'], message }]
  })
}

function checkDeployment(deployment: Values, path: PropertyKey[]): Finding[] {
  const excluded = listOf(deployment.exclude)
  return [
    ...checkTarget(deployment.target, [...path, 'target']),
    ...excluded.flatMap((one, at) => checkTarget(one, [...path, 'exclude', at])),
    ...excluded.flatMap((one, at) => checkExcluded(mapOf(one), [...path, 'exclude', at])),
    ...checkScope(deployment, path),
    ...checkGroupByName(deployment, path),
  ]
}

function checkTarget(target: unknown, path: PropertyKey[]): Finding[] {
  if (typeof target !== 'object' || target === null || Array.isArray(target)) return []
  const keys = Object.keys(target)
  const known = keys.filter((key) => knownKeys.target?.includes(key))
  const [first = '', ...more] = known
  if (known.length > 1) {
    const at = path.at(-1)
    const called = typeof at === 'number' ? pathText(['exclude', at]) : 'target'
    const hint =
      typeof at === 'number'
        ? 'Exclude them one by one'
        : `Make ${numbers[known.length] ?? known.length} deployments of it`
    const message = `${called} must have one key, not ${known.length}: ${known.join(', ')}. ${hint}.`
    return [{ code: 'target_ambiguous', path: [...path, more[0] ?? first], message, atKey: true }]
  }
  // A key with a typo is told of already.
  if (keys.length === 0) {
    const message = `A target must have one key: ${knownKeys.target?.join(', ')}.`
    return [{ code: 'target_empty', path, message }]
  }
  return checkPattern(mapOf(mapOf(target).group_name).pattern, [...path, 'group_name', 'pattern'])
}

function checkPattern(pattern: unknown, path: PropertyKey[]): Finding[] {
  if (typeof pattern !== 'string' || !/^[*?]+$/.test(pattern.trim())) return []
  const message = `The pattern ${pattern.trim()} says nothing about a name: it would take every group. Add some letters, or use everyone: true.`
  return [{ code: 'pattern_of_everything', path, message }]
}

function checkExcluded(excluded: Values, path: PropertyKey[]): Finding[] {
  if (!('everyone' in excluded)) return []
  const message =
    'Excluding everyone leaves nobody. To keep the deployment without effect, give it enabled: false.'
  return [{ code: 'everyone_excluded', path: [...path, 'everyone'], message, atKey: true }]
}

function checkScope({ scope, tenant, target }: Values, path: PropertyKey[]): Finding[] {
  if (typeof scope !== 'string') return []
  const wrong = (message: string): Finding[] => [
    { code: 'scope_contradiction', path: [...path, 'scope'], message },
  ]
  const keys = Object.keys(mapOf(target))
  const one = keys.find((key) => key === 'person' || key === 'computer')
  const group = keys.find((key) => key === 'group' || key === 'team')
  if (one !== undefined && scope !== 'individual') {
    return wrong(`The scope of a deployment for one ${one} is individual. Leave scope out.`)
  }
  if (one === undefined && keys.length === 1 && scope === 'individual') {
    return wrong('The scope individual is for a person or a computer. Leave scope out, or change the target.')
  }
  if (scope === 'cross_tenant' && group !== undefined) {
    return wrong(
      `A ${group} belongs to one tenant, so the scope cannot be cross_tenant. Leave scope out, or use group_name for groups of that name in every tenant.`,
    )
  }
  if (scope === 'cross_tenant' && tenant !== undefined) {
    return wrong('With a tenant the scope is single_tenant. Leave scope out, or remove tenant.')
  }
  if (scope === 'single_tenant' && tenant === undefined && group === undefined) {
    return wrong('The scope single_tenant needs a tenant. Add one, or leave scope out.')
  }
  return []
}

/** A group by its name is one group, which only a tenant makes sure of. */
function checkGroupByName({ tenant, target, exclude }: Values, path: PropertyKey[]): Finding[] {
  if (tenant !== undefined) return []
  const terms = [
    { term: mapOf(target), at: [...path, 'target'] },
    ...listOf(exclude).map((term, at) => ({ term: mapOf(term), at: [...path, 'exclude', at] })),
  ]
  return terms.flatMap(({ term, at }) =>
    (['group', 'team'] as const).flatMap((key) => {
      const name = term[key]
      if (typeof name !== 'string' || name.trim() === '' || isGuid(name.trim())) return []
      const message = `In which tenant is the ${key} ${JSON.stringify(name.trim())}? Add tenant, or use its object id, or group_name for groups of that name in every tenant.`
      return [{ code: 'tenant_needed', path: [...at, key], message }]
    }),
  )
}

function mapOf(value: unknown): Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Values) : {}
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : []
}
