import type { SubjectKind } from '../db/tables.ts'
import type { DeploymentPlan } from '../targets/deployments/plan.ts'
import type { Effect, Facts, Sample, Tally, TenantEffect } from '../targets/effect.ts'
import { reasonText, wantedText } from '../targets/words.ts'
import type { Output } from './context.ts'
import { tableLines } from './table.ts'
import { number, printable } from './text.ts'

/** Tenants that are shown one by one; with --all every one is. */
const mostTenants = 15

/** Tenants and items in them that are shown with samples; with --all every one is. */
const mostSampled = 5

/** Frozen tenants that are named; with --all every one is. */
const mostFrozen = 10

/** Prints which deployments a file adds, changes and removes. */
export function printPlan(output: Output, plan: DeploymentPlan, done: boolean): void {
  const { added, changed, removed, unchanged, taken, items } = plan
  const counts = [
    `${added.length} added`,
    `${changed.length} changed`,
    ...(removed.length > 0 ? [`${removed.length} removed`] : []),
    `${unchanged.length} unchanged`,
  ]
  output.line(`${done ? 'Applied' : 'Plan'} of ${printable(plan.source)}: ${counts.join(', ')}.`)
  for (const { name } of items.filter(({ itemId }) => itemId === null))
    output.line(printable(`  new item ${name}`))
  for (const one of added)
    output.line(printable(`  + ${one.name}: ${wantedText(one.item, one.version, one.desired_state)}`))
  for (const { deployment, changes } of changed) {
    const fields = changes.map(
      ({ field, from, to }) => `${field} ${JSON.stringify(from)} -> ${JSON.stringify(to)}`,
    )
    output.line(printable(`  ~ ${deployment.name}: ${fields.join(', ')}`))
  }
  for (const { name } of removed) output.line(printable(`  - ${name}`))
  for (const { name, from } of taken)
    output.line(printable(`  ${name} comes from ${from}, and is this file's from now on`))
}

/** Prints what that does to persons and computers, the most changed tenants first. */
export function printEffect(
  output: Output,
  effect: Effect,
  { done, all }: { done: boolean; all: boolean },
): void {
  const { tenants, persons, computers, frozen } = effect
  if (tenants.length === 0) output.line('No target of any person or computer changes by it.')
  else {
    const shown = all ? tenants : tenants.slice(0, mostTenants)
    const lines = tableLines(
      [
        { title: 'Tenant', value: ({ tenant }: (typeof shown)[number]) => tenant },
        { title: 'Persons', value: (row) => tallyText(row.persons), align: 'right' },
        { title: 'Computers', value: (row) => tallyText(row.computers), align: 'right' },
      ],
      shown,
      output.width,
    )
    for (const line of lines) output.line(line)
    if (shown.length < tenants.length)
      output.line(`… and ${tenants.length - shown.length} more tenants (--all shows them)`)
    output.line(
      `${done ? 'Together' : 'Together it would be'}: persons ${tallyText(persons)}; computers ${tallyText(computers)} (+ gain, ~ change, - lose)`,
    )
    for (const tenant of all ? tenants : shown.slice(0, mostSampled)) printItems(output, tenant, all)
  }
  for (const [why, later] of Map.groupBy(frozen, (one) => one.why)) {
    const named = (all ? later : later.slice(0, mostFrozen)).map(({ tenant }) => tenant)
    const rest = later.length - named.length
    const names = [...named, ...(rest > 0 ? [`${rest} more`] : [])].join(', ')
    output.line(
      printable(`Later, when their targets are no longer frozen (${why.replaceAll('_', ' ')}): ${names}.`),
    )
  }
}

function printItems(output: Output, { tenant, items }: TenantEffect, all: boolean): void {
  const shown = all ? items : items.slice(0, mostSampled)
  output.line(`\n${printable(tenant)}`)
  for (const { item, kind, samples, ...tally } of shown) {
    output.line(printable(`  ${item}: ${kind === 'person' ? 'persons' : 'computers'} ${tallyText(tally)}`))
    for (const sample of samples) output.line(printable(`    ${sampleText(item, kind, sample)}`))
    const rest = tally.gain + tally.change + tally.lose - samples.length
    if (rest > 0) output.line(`    … and ${number(rest)} more`)
  }
  if (shown.length < items.length) output.line(`  … and ${items.length - shown.length} more items`)
}

function sampleText(item: string, kind: SubjectKind, sample: Sample): string {
  const { name, change, before, after, reason, through } = sample
  const text = (facts: Facts | null): string =>
    facts === null ? 'nothing' : wantedText(item, facts.version, facts.desired_state)
  if (change === 'lose') return `- ${name}: no longer ${text(before)}`
  const why = `${kind === 'computer' && through === 'person' ? 'through its primary user: ' : ''}${reasonText(reason)}`
  if (change === 'gain') return `+ ${name}: ${text(after)} (${why})`
  if (text(before) !== text(after)) return `~ ${name}: ${text(before)} becomes ${text(after)} (${why})`
  return before?.enforcement === after?.enforcement
    ? `~ ${name}: ${text(after)} as before, by another deployment (${why})`
    : `~ ${name}: ${text(after)}, ${before?.enforcement} becomes ${after?.enforcement} (${why})`
}

function tallyText({ gain, change, lose }: Tally): string {
  const parts = [
    ...(gain > 0 ? [`+${number(gain)}`] : []),
    ...(change > 0 ? [`~${number(change)}`] : []),
    ...(lose > 0 ? [`-${number(lose)}`] : []),
  ]
  return parts.length === 0 ? '–' : parts.join(' ')
}
