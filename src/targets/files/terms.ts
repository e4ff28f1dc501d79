import type { Kysely } from 'kysely'
import type { Database, TargetType } from '../../db/tables.ts'
import type { Draft, Tell, Term } from './drafts.ts'
import { groupNameTerm, groupTerm, nameOfTerm } from './group-terms.ts'
import { matchGroupNames } from './lookups/group-names.ts'
import type { Groups } from './lookups/groups.ts'
import { lookUpLicenses } from './lookups/licenses.ts'
import { lookUpComputers, lookUpPersons } from './lookups/subjects.ts'
import type { Tenants } from './lookups/tenants.ts'
import { knownEntitlements, tagsInUse } from './lookups/words.ts'
import { didYouMean } from './nearest.ts'
import { licenseTerm, subjectTerm, wantedLicense, warnOfFilters } from './other-terms.ts'
import type { ExcludedTarget, ResolvedFilters, TargetKeys } from './types.ts'

export type Known = Awaited<ReturnType<typeof lookUpTerms>>

/** Looks up what the terms of all drafts name: one query or two a kind, none for a kind that is not there. */
export async function lookUpTerms(
  db: Kysely<Database>,
  drafts: readonly Draft[],
  groups: Groups,
  tenants: Tenants,
) {
  const terms = drafts.flatMap((draft) => draft.terms)
  const named = drafts.flatMap((draft) =>
    draft.terms.flatMap((term) => nameOfTerm(term, draft, tenants).map((wanted) => ({ term, wanted }))),
  )
  const matches = await matchGroupNames(
    db,
    named.map(({ wanted }) => wanted),
  )
  const texts = (key: 'person' | 'computer' | 'tag' | 'app_entitlement'): string[] =>
    terms.flatMap(({ entry }) => entry[key] ?? [])
  return {
    tenants,
    groups,
    names: new Map(named.map(({ term }, at) => [term, matches[at]])),
    licenses: await lookUpLicenses(
      db,
      terms.flatMap(({ entry }) => (entry.license === undefined ? [] : [wantedLicense(entry.license)])),
    ),
    persons: await lookUpPersons(db, texts('person')),
    computers: await lookUpComputers(db, texts('computer')),
    tags: texts('tag').length === 0 ? new Set<string>() : await tagsInUse(db),
    entitlements: texts('app_entitlement').length === 0 ? new Set<string>() : await knownEntitlements(db),
  }
}

/** A term with its type as the table has it. Undefined = told why not. */
export function targetOf(
  term: Term,
  draft: Draft,
  filters: ResolvedFilters,
  known: Known,
  tell: Tell,
): ExcludedTarget | undefined {
  const [type] = Object.keys(term.entry) as TargetType[]
  const keys = keysOf(term, draft, filters, known, tell)
  return type === undefined || keys === undefined ? undefined : { type, ...keys }
}

function keysOf(
  term: Term,
  draft: Draft,
  filters: ResolvedFilters,
  known: Known,
  tell: Tell,
): TargetKeys | undefined {
  const { entry, path, excluded } = term
  const { tenants } = known
  if (entry.group !== undefined || entry.team !== undefined) {
    return groupTerm(term, draft, known.groups, tenants, tell)
  }
  const match = known.names.get(term)
  if (entry.group_name !== undefined && match !== undefined) {
    return groupNameTerm(entry.group_name, path, match, tenants, tell)
  }
  if (entry.license !== undefined) {
    return licenseTerm(entry.license, term, draft, known.licenses, tenants, tell)
  }
  if (entry.app_entitlement !== undefined) return entitlementTerm(entry.app_entitlement, term, known, tell)
  if (entry.tag !== undefined) {
    const { tag } = entry
    if (!known.tags.has(tag.toLowerCase())) {
      tell(
        'warning',
        'tag_unused',
        path,
        `No person has the tag ${JSON.stringify(tag)} now.${didYouMean(tag, known.tags)}`,
      )
    }
    return { tag }
  }
  if (entry.person !== undefined) {
    const person = subjectTerm('person', entry.person, term, draft, known.persons, tenants, tell)
    if (person && !excluded && !person.gone) warnOfFilters(person, filters, path, tell)
    return person && { person_id: person.id }
  }
  if (entry.computer !== undefined) {
    const computer = subjectTerm('computer', entry.computer, term, draft, known.computers, tenants, tell)
    if (computer && !excluded && Object.keys(filters).length > 0) {
      tell(
        'warning',
        'filters_without_effect',
        [...draft.path, 'filters'],
        'No filter applies to one computer.',
      )
    }
    return computer && { computer_id: computer.id }
  }
  return {}
}

function entitlementTerm(
  text: string,
  { path }: Term,
  { entitlements }: Known,
  tell: Tell,
): TargetKeys | undefined {
  const entitlement = text.toLowerCase()
  if (entitlements.has(entitlement)) return { entitlement }
  const hint = didYouMean(text, entitlements) || ` Known are ${[...entitlements].toSorted().join(', ')}.`
  tell(
    'error',
    'app_entitlement_unknown',
    path,
    `There is no app entitlement ${JSON.stringify(text)}.${hint}`,
  )
  return undefined
}
