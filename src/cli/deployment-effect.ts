import type { DeploymentPlan } from '../targets/deployments/plan.ts'
import type { Effect, ItemEffect, Sample, Tally } from '../targets/effect.ts'
import { reasonText, wantedText } from '../targets/words.ts'
import type { Output } from './context.ts'
import { tableLines } from './table.ts'
import { number, printable } from './text.ts'

/** Tenants that are shown one by one; with --all every one is. */
const mostTenants = 15

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
    for (const { tenant, items } of shown) for (const item of items) printItem(output, tenant, item)
  }
  for (const { tenant, why } of frozen)
    output.line(printable(`${tenant} gets it later: its targets are frozen (${why.replaceAll('_', ' ')}).`))
}

function printItem(output: Output, tenant: string, item: ItemEffect): void {
  const kind = item.kind === 'person' ? 'persons' : 'computers'
  output.line(printable(`  ${tenant}: ${item.item}: ${kind} ${tallyText(item)}`))
  for (const sample of item.samples) output.line(printable(`      ${sampleText(item.item, sample)}`))
  const rest = item.gain + item.change + item.lose - item.samples.length
  if (rest > 0) output.line(`      … and ${number(rest)} more`)
}

function sampleText(item: string, { name, change, before, after, reason }: Sample): string {
  const text = (facts: Sample['before']): string =>
    facts === null ? 'nothing' : wantedText(item, facts.version, facts.desired_state)
  if (change === 'gain') return `+ ${name}: ${text(after)} (${reasonText(reason)})`
  if (change === 'lose') return `- ${name}: no longer ${text(before)}`
  return `~ ${name}: ${text(before)} becomes ${text(after)} (${reasonText(reason)})`
}

function tallyText({ gain, change, lose }: Tally): string {
  const parts = [
    ...(gain > 0 ? [`+${number(gain)}`] : []),
    ...(change > 0 ? [`~${number(change)}`] : []),
    ...(lose > 0 ? [`-${number(lose)}`] : []),
  ]
  return parts.length === 0 ? '–' : parts.join(' ')
}
