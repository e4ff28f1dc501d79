import { html } from 'hono/html'
import { z } from 'zod'
import { addTenant, listTenants, type TenantEntry } from '../../consent/links/tenants.ts'
import { parsed } from '../input.ts'
import type { ConsoleContext } from './console-context.ts'
import { address, name, nothing, number, pager, pill, table, type Column, type Markup } from './parts.ts'
import { consentOf, stateOf } from './words.ts'

const perPage = 50
const query = z.object({
  search: z.string().max(200).default(''),
  page: z.coerce.number().int().min(1).max(100_000).default(1),
})
const addForm = z.object({ name: z.string().trim().min(1).max(200) })

/** `/tenants`: the ImmyBot tenants, and which Entra tenant each is linked to. */
export function addTenantsPage({ deps, page, act }: ConsoleContext): void {
  const { db } = deps
  page('/tenants', '/tenants', async (context, operator) => {
    const { search, page: current } = parsed(query, context.req.query())
    const part = search.trim().toLowerCase()
    const found = (await listTenants(db)).filter((row) =>
      [row.name, row.slug, row.entraTenant, row.entraTenantId, ...row.domains]
        .join(' ')
        .toLowerCase()
        .includes(part),
    )
    const body = html`<h1>Tenants</h1>
      <p class="sub">ImmyBot tenants. A link says whose persons each one gets.</p>
      ${operator ? add : nothing}
      <section aria-labelledby="list">
        <h2 id="list">ImmyBot tenants</h2>
        <form class="search" method="get" action="/tenants" role="search">
          <label
            >Search by name, slug or domain
            <input type="search" name="search" value="${search}" maxlength="200" />
          </label>
          <button>Search</button>
          ${search === '' ? nothing : html`<a href="/tenants">Show all</a>`}
        </form>
        ${table(
          `${number(found.length)} tenants`,
          columns,
          found.slice((current - 1) * perPage, current * perPage),
          'No tenant is like that.',
        )}
        ${pager({ page: current, perPage, total: found.length }, (to) =>
          address('/tenants', { search, page: to }),
        )}
      </section>`
    return { title: 'Tenants', body }
  })

  act(
    '/tenants',
    () => '/tenants',
    async (form, context) => {
      const { name: given } = parsed(addForm, form)
      const made = await addTenant(db, { name: given, actor: context.get('signedIn').name })
      const more = ['Link it to an Entra tenant: open it in the list below.']
      return { tone: 'good', text: `Made the tenant ${made.name} (${made.slug}).`, more }
    },
  )
}

const add = html`<details>
  <summary>Add a tenant</summary>
  <form class="search" method="post" action="/tenants">
    <label>Name <input name="name" required maxlength="200" /></label>
    <button>Add</button>
  </form>
</details>`

const columns: Column<TenantEntry>[] = [
  {
    title: 'Tenant',
    heading: true,
    value: ({ tenantId, name: of, slug, isMsp }) =>
      html`<a href="/tenants/${tenantId}">${name(of)}</a> ${isMsp ? pill('mute', 'the MSP') : nothing}
        <span class="note">${slug}</span>`,
  },
  {
    title: 'Entra tenant',
    value: ({ entraTenantId: id, entraTenant }) =>
      id === null
        ? pill('warn', 'not linked')
        : html`<a href="/entra-tenants/${id}">${name(entraTenant ?? id)}</a>`,
  },
  { title: 'Persons of', value: domainsOf },
  { title: 'State', value: ({ state }) => (state === null ? '–' : stateOf(state)) },
  {
    title: 'Consent',
    value: ({ consent, entraTenantId }) => (entraTenantId === null ? '–' : consentOf(consent)),
  },
  { title: 'Parent', value: ({ parent }) => (parent === null ? '–' : name(parent)) },
  { title: 'Persons', right: true, value: ({ persons }) => number(persons) },
]

/** Whose persons a tenant gets. */
export function domainsOf({ entraTenantId, domains }: TenantEntry): Markup | string {
  if (entraTenantId === null) return '–'
  return domains.length === 0 ? 'all others' : domains.join(', ')
}
