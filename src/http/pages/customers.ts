import { html } from 'hono/html'
import { z } from 'zod'
import type { Detached } from '../../consent/customers/detach.ts'
import { listKnownCustomers, type CustomerRow } from '../../consent/customers/customers.ts'
import type { ImportResult } from '../../consent/customers/import-customers.ts'
import { detach, detachPreview, discoverAll, importAndSync } from '../acts/customers.ts'
import { parsed, uuid } from '../input.ts'
import { idOf, type ConsoleContext } from './console-context.ts'
import { customerColumns } from './customers-table.ts'
import type { Flash } from './flashes.ts'
import { act, address, facts, name, nothing, number, pager, table, type Markup } from './parts.ts'
import { stateOf } from './words.ts'

const perPage = 50
const shownChoices = ['all', 'not_imported', 'imported', 'new'] as const
const query = z.object({
  search: z.string().max(200).default(''),
  show: z.enum(shownChoices).default('all'),
  page: z.coerce.number().int().min(1).max(100_000).default(1),
})
type Query = z.output<typeof query>

const importForm = z.object({
  customer: z.preprocess((value) => (value === undefined ? [] : [value].flat()), z.array(uuid).max(1000)),
  matching: z.enum(['refuse', 'use_proposals', 'new']).default('refuse'),
})

/** `/customers`: the GDAP customers of every partner, to import and to detach. */
export function addCustomersPage({ deps, page, act: onAct }: ConsoleContext): void {
  page('/customers', '/customers', async (context, operator) => {
    const asked = parsed(query, context.req.query())
    const found = (await listKnownCustomers(deps.db)).filter((row) => isAskedFor(row, asked))
    const body = html`<h1>Customers</h1>
      <p class="sub">Those that a partner's GDAP relationships reach. Imported ones are synced.</p>
      ${operator ? acts : nothing} ${list(found, asked, operator)}`
    return { title: 'Customers', body }
  })

  onAct(
    '/customers/discover',
    () => '/customers',
    async (_form, context) => {
      const partners = await discoverAll(deps, context.get('signedIn').name)
      const whose = partners.length === 1 ? 'the partner' : `${partners.length} partners`
      const text = `The customers of ${whose} are being read.`
      return { tone: 'good', text, more: ['Load this page again in a moment.'] }
    },
  )
  onAct(
    '/customers/import',
    () => '/customers',
    async (form, context) => {
      const { customer, matching } = parsed(importForm, form)
      if (customer.length === 0) return { tone: 'bad', text: 'No customer was chosen.' }
      const actor = context.get('signedIn').name
      return toldOfImport(await importAndSync(deps, { entraTenantIds: customer, matching }, actor))
    },
  )
  onAct(
    '/customers/import-all',
    () => '/customers',
    async (form, context) => {
      const { matching } = parsed(importForm, form)
      return toldOfImport(await importAndSync(deps, { all: true, matching }, context.get('signedIn').name))
    },
  )

  page('/customers/:id/detach', '/customers', async (context, operator) => {
    const preview = await detachPreview(deps, idOf(context))
    return { title: `Detach ${preview.name}`, body: detachPage(preview, operator) }
  })
  onAct(
    '/customers/:id/detach',
    (context) => `/entra-tenants/${context.req.param('id')}`,
    async (_form, context) => {
      const done = await detach(deps, idOf(context), context.get('signedIn').name)
      return { tone: 'good', text: `${done.name} is standalone now, no customer of ${done.partnerName}.` }
    },
  )
}

function isAskedFor(row: CustomerRow, { search, show }: Query): boolean {
  if (show === 'new' && !row.isNew) return false
  if (show !== 'all' && show !== 'new' && row.imported !== (show === 'imported')) return false
  const text = [row.displayName, row.entraTenantId, row.tenant?.name, ...row.domains].join(' ').toLowerCase()
  return text.includes(search.trim().toLowerCase())
}

const acts = html`<div class="acts">
  ${act('/customers/discover', 'Discover now')}
  ${act('/customers/import-all', 'Import all with an active relationship')}
</div>`

const choiceWords: Record<(typeof shownChoices)[number], string> = {
  all: 'all',
  not_imported: 'not imported',
  imported: 'imported',
  new: 'new this week',
}

function list(found: CustomerRow[], { search, show, page }: Query, operator: boolean): Markup {
  const rows = found.slice((page - 1) * perPage, page * perPage)
  const option = (one: (typeof shownChoices)[number]) =>
    html`<option value="${one}" ${one === show ? html`selected` : nothing}>${choiceWords[one]}</option>`
  return html`<section aria-labelledby="list">
    <h2 id="list">GDAP customers</h2>
    <form class="search" method="get" action="/customers" role="search">
      <label
        >Search by name, domain or id
        <input type="search" name="search" value="${search}" maxlength="200" />
      </label>
      <label
        >Show
        <select name="show">
          ${shownChoices.map(option)}
        </select>
      </label>
      <button>Search</button>
      ${search === '' && show === 'all' ? nothing : html`<a href="/customers">Show all</a>`}
    </form>
    ${operator ? html`<form id="chosen" method="post" action="/customers/import"></form>` : nothing}
    ${table(`${number(found.length)} customers`, customerColumns(operator), rows, 'No customer is like that. Discover reads what the partners list.')}
    ${operator && rows.length > 0 ? withChosen : nothing}
    ${pager({ page, perPage, total: found.length }, (to) =>
      address('/customers', { search, show: show === 'all' ? undefined : show, page: to }),
    )}
  </section>`
}

const withChosen = html`<div class="chosen">
  <label
    >Where a tenant without a link may be the same customer
    <select name="matching" form="chosen">
      <option value="refuse">tell me, and import nothing</option>
      <option value="use_proposals">link the proposed tenant</option>
      <option value="new">make a new tenant</option>
    </select>
  </label>
  <button class="main" form="chosen">Import the chosen ones</button>
  <button form="chosen" formmethod="get" formaction="/preconsent/preflight">Pre-consent …</button>
</div>`

function toldOfImport({ imported, already, linked = [], left = [] }: ImportResult): Flash {
  const tenants = linked.length === 0 ? [] : [`Linked to tenants that exist: ${linked.length}.`]
  return {
    tone: 'good',
    text: `Imported ${imported.length} customers; ${already.length} were imported already.`,
    more: [
      ...(imported.length === 0 ? [] : ['Their first sync is asked for.']),
      ...tenants,
      ...left.map((one) => `Left out: ${one.name}. ${one.reason}`),
    ],
  }
}

function detachPage(preview: Detached, operator: boolean): Markup {
  const { entraTenantId: id, appInUse, appWanted, scheduled } = preview
  return html`<h1>Detach ${name(preview.name)}?</h1>
    <p class="sub"><a href="/entra-tenants/${id}">Back to ${name(preview.name)}</a></p>
    <section>
      <p>
        It becomes standalone: no customer of ${name(preview.partnerName)}, and no GDAP relationship is asked
        for. Link, persons and consent stay.
      </p>
      ${facts([
        ['State afterwards', stateOf(preview.state)],
        ['Synced afterwards', scheduled ? 'yes' : 'no'],
        ['Read with app', appInUse === null ? 'none' : html`<code>${appInUse}</code>`],
        ['Its own level says', appWanted === null ? 'no app' : html`<code>${appWanted}</code>`],
      ])}
      ${
        operator
          ? html`<div class="acts above">
              ${act(`/customers/${id}/detach`, 'Detach', { kind: 'danger' })}
              <a class="button" href="/entra-tenants/${id}">Cancel</a>
            </div>`
          : nothing
      }
    </section>`
}
