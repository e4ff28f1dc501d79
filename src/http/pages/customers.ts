import { html } from 'hono/html'
import { z } from 'zod'
import { listKnownCustomers, type CustomerRow } from '../../consent/customers/customers.ts'
import { discoverAll, importAndSync } from '../customer-acts.ts'
import { parsed, uuid } from '../input.ts'
import type { ConsoleContext } from './console-context.ts'
import {
  act,
  address,
  day,
  name,
  nothing,
  number,
  pager,
  pill,
  table,
  type Column,
  type Markup,
} from './parts.ts'

const perPage = 100
const query = z.object({
  search: z.string().max(200).default(''),
  page: z.coerce.number().int().min(1).max(100_000).default(1),
})
const chosen = z.object({
  customer: z.preprocess((value) => (value === undefined ? [] : [value].flat()), z.array(uuid).max(1000)),
})

/** `/customers`: the GDAP customers of every partner, to import. */
export function addCustomersPage({ deps, page, act: onAct }: ConsoleContext): void {
  const { db } = deps
  page('/customers', '/customers', async (context, operator) => {
    const { search, page: current } = parsed(query, context.req.query())
    const part = search.trim().toLowerCase()
    const found = (await listKnownCustomers(db)).filter(({ displayName, entraTenantId }) =>
      `${displayName ?? ''} ${entraTenantId}`.toLowerCase().includes(part),
    )
    const rows = found.slice((current - 1) * perPage, current * perPage)
    const body = html`<h1>Customers</h1>
      <p class="sub">Those that a partner's GDAP relationships reach. Imported ones are synced.</p>
      ${operator ? acts : nothing}
      <section aria-labelledby="list">
        <h2 id="list">GDAP customers</h2>
        <form class="search" method="get" action="/customers" role="search">
          <label
            >Search by name or id <input type="search" name="search" value="${search}" maxlength="200"
          /></label>
          <button>Search</button>
          ${search === '' ? nothing : html`<a href="/customers">Show all</a>`}
        </form>
        ${operator ? html`<form id="chosen" method="post" action="/customers/import"></form>` : nothing}
        ${table(`${number(found.length)} customers`, columns(operator), rows, 'No customer. Discover reads the partners.')}
        ${
          operator && rows.length > 0
            ? html`<p class="acts"><button class="main" form="chosen">Import the chosen ones</button></p>`
            : nothing
        }
        ${pager({ page: current, perPage, total: found.length }, (to) =>
          address('/customers', { search, page: to }),
        )}
      </section>`
    return { title: 'Customers', body }
  })

  onAct(
    '/customers/discover',
    () => '/customers',
    async (_form, context) => {
      const partners = await discoverAll(deps, context.get('signedIn').name)
      const text = `The customers of ${partners.length} partners are being read.`
      return { tone: 'good', text, more: ['Load this page again in a moment.'] }
    },
  )
  onAct(
    '/customers/import',
    () => '/customers',
    async (form, context) => {
      const { customer } = parsed(chosen, form)
      if (customer.length === 0) return { tone: 'bad', text: 'No customer was chosen.' }
      return told(await importAndSync(deps, { entraTenantIds: customer }, context.get('signedIn').name))
    },
  )
  onAct(
    '/customers/import-all',
    () => '/customers',
    async (_form, context) => told(await importAndSync(deps, { all: true }, context.get('signedIn').name)),
  )
}

function told({ imported, already }: { imported: string[]; already: string[] }) {
  const text = `Imported ${imported.length} customers; ${already.length} were imported already.`
  return {
    tone: 'good' as const,
    text,
    more: imported.length === 0 ? [] : ['Their first sync is asked for.'],
  }
}

const acts = html`<div class="acts">
  ${act('/customers/discover', 'Discover now')}
  ${act('/customers/import-all', 'Import all with an active relationship')}
</div>`

function columns(operator: boolean): Column<CustomerRow>[] {
  const title = (row: CustomerRow): string => row.displayName ?? row.entraTenantId
  return [
    ...(operator ? [choice(title)] : []),
    {
      title: 'Customer',
      heading: true,
      value: (row) =>
        html`${
            row.imported
              ? html`<a href="/entra-tenants/${row.entraTenantId}">${name(title(row))}</a>`
              : name(title(row))
          } <span class="note code">${row.entraTenantId}</span>`,
    },
    {
      title: 'Imported',
      value: ({ imported }) => (imported ? pill('good', 'imported') : pill('mute', 'no')),
    },
    { title: 'Relationship', value: relationship },
    { title: 'Ends', value: ({ gdapEndsAt }) => day(gdapEndsAt) },
  ]
}

function choice(title: (row: CustomerRow) => string): Column<CustomerRow> {
  return {
    title: 'Choose',
    value: (row) =>
      html`<input
        type="checkbox"
        form="chosen"
        name="customer"
        value="${row.entraTenantId}"
        aria-label="Choose ${title(row)}"
      />`,
  }
}

function relationship({ missingSince, gdapActive }: CustomerRow): Markup {
  if (missingSince !== null)
    return html`${pill('warn', 'not listed')} <span class="note">since ${day(missingSince)}</span>`
  return gdapActive ? pill('good', 'active') : pill('bad', 'not active')
}
