import { html } from 'hono/html'
import type { FleetFreeze } from '../../db/fleet-freeze.ts'
import type { HoldEffect } from '../../holds/decide.ts'
import type { ListedHold } from '../../holds/list.ts'
import type { HoldSample } from '../../holds/samples.ts'
import { reasonOfHold, whatOfHold } from '../../holds/words.ts'
import type { ItemEffect, Tally, TenantEffect } from '../../targets/effect.ts'
import { facts, name, nothing, number, pill, table, when, type Column, type Markup } from './parts.ts'

/** What one hold keeps back, what approving it would do, and the two decisions. */
export function holdPage(shown: {
  hold: ListedHold
  samples: HoldSample[]
  hash: string
  preview: HoldEffect | null
  freeze: FleetFreeze | null
  operator: boolean
}): Markup {
  const { hold, samples, hash, preview, freeze, operator } = shown
  const { status, closedAt, closedBy, closeReason, entraTenantId: id } = hold
  return html`<h1>${name(whatOfHold(hold))} ${pill(status === 'open' ? 'warn' : 'mute', status)}</h1>
    <p class="sub"><code>${hold.holdId}</code></p>
    <section aria-labelledby="what">
      <h2 id="what">Hold</h2>
      ${facts([
        [
          'Whose',
          id === null ? name(hold.name) : html`<a href="/entra-tenants/${id}">${name(hold.name)}</a>`,
        ],
        ...(hold.tenant === null ? [] : [['Tenant', name(hold.tenant)] as const]),
        ['Why held', name(reasonOfHold(hold))],
        ['Since', when(hold.createdAt)],
        ...(status === 'open'
          ? []
          : [
              ['Closed', when(closedAt)] as const,
              ['By', closedBy === null ? 'itself' : name(closedBy)] as const,
              ['Why', name(closeReason ?? '–')] as const,
            ]),
      ])}
    </section>
    <section aria-labelledby="items">
      <h2 id="items">What it keeps back</h2>
      ${table(`${number(samples.length)} of ${number(hold.size)}`, itemColumns(hold), samples, 'Nothing is left in it.')}
    </section>
    ${preview === null ? nothing : effectSection(preview)}
    ${preview === null || !operator ? nothing : decisions(hold, hash, freeze)}`
}

function itemColumns({ kind }: ListedHold): Column<HoldSample>[] {
  const who: Column<HoldSample> = { title: 'Who or what', heading: true, value: (row) => name(row.name) }
  if (kind === 'membership') return [who, { title: 'Group', value: ({ of }) => name(of ?? '') }]
  if (kind === 'license') return [who, { title: 'Product', value: ({ of }) => name(of ?? '') }]
  if (kind !== 'target') return [who]
  return [
    who,
    { title: 'Item', value: ({ of }) => name(of ?? '') },
    { title: 'Through', value: ({ now }) => name(now ?? 'nothing') },
    { title: 'Then through', value: ({ wanted }) => name(wanted ?? 'nothing') },
  ]
}

const tenantColumns: Column<TenantEffect>[] = [
  {
    title: 'Tenant',
    heading: true,
    value: ({ tenantId, tenant }) => html`<a href="/tenants/${tenantId}">${name(tenant)}</a>`,
  },
  { title: 'Persons', right: true, value: ({ persons }) => tallyOf(persons) },
  { title: 'Computers', right: true, value: ({ computers }) => tallyOf(computers) },
]

const effectColumns: Column<ItemEffect & { tenant: string }>[] = [
  { title: 'Item', heading: true, value: ({ item }) => name(item) },
  { title: 'Tenant', value: ({ tenant }) => name(tenant) },
  { title: 'Of', value: ({ kind }) => (kind === 'person' ? 'persons' : 'computers') },
  { title: 'Would lose it', right: true, value: ({ lose }) => number(lose) },
  { title: 'Would get it', right: true, value: ({ gain }) => number(gain) },
  { title: 'Otherwise', right: true, value: ({ change }) => number(change) },
  { title: 'Such as', value: ({ samples }) => name(samples.map((sample) => sample.name).join(', ')) },
]

function effectSection({ effect, frozen }: HoldEffect): Markup {
  const items = effect.tenants.flatMap(({ tenant, items: all }) => all.map((one) => ({ ...one, tenant })))
  return html`<section aria-labelledby="effect">
    <h2 id="effect">What approving it would do to the targets</h2>
    ${
      frozen === null
        ? html`${table('By tenant', tenantColumns, effect.tenants, 'No target of any person or computer changes by it.')}
          ${table('By item', effectColumns, items, '')}`
        : html`<p>
            Nothing yet: they are frozen (${frozen.replaceAll('_', ' ')}). They follow when they thaw.
          </p>`
    }
  </section>`
}

function decisions({ holdId, size }: ListedHold, hash: string, freeze: FleetFreeze | null): Markup {
  return html`<section aria-labelledby="decide">
    <h2 id="decide">Decide</h2>
    ${
      freeze === null
        ? html`<form class="acts" method="post" action="/holds/${holdId}/approve">
            <input type="hidden" name="hash" value="${hash}" />
            <button class="danger">Approve: apply these ${number(size)}</button>
          </form>`
        : html`<p>
            All removals are frozen: end the freeze under <a href="/holds">Holds</a> before approving.
          </p>`
    }
    <form class="acts" method="post" action="/holds/${holdId}/reject">
      <label>Why keep them <input name="reason" required maxlength="500" /></label>
      <button>Reject: keep all for 30 days</button>
    </form>
  </section>`
}

function tallyOf({ gain, change, lose }: Tally): string {
  const parts = [
    ...(lose > 0 ? [`−${number(lose)}`] : []),
    ...(gain > 0 ? [`+${number(gain)}`] : []),
    ...(change > 0 ? [`~${number(change)}`] : []),
  ]
  return parts.length === 0 ? '–' : parts.join(' ')
}
