import { html } from 'hono/html'
import { z } from 'zod'
import { listComputers, listPersons, type ListedComputer, type ListedPerson } from '../../targets/listing.ts'
import { parsed } from '../input.ts'
import type { ConsoleContext } from './console-context.ts'
import { address, name, nothing, number, pager, pill, table, type Column, type Content } from './parts.ts'

const perPage = 100

const query = z.object({
  search: z.string().max(200).default(''),
  page: z.coerce.number().int().min(1).max(100_000).default(1),
})

/** `/persons` and `/computers`: searched by name or UPN, over all tenants; each leads to what it gets, and why. */
export function addPersonsPages({ deps, page }: ConsoleContext): void {
  page('/persons', '/persons', async (context) => {
    const { search, page: current } = parsed(query, context.req.query())
    const rows = await listPersons(deps.db, {
      search: search.trim() || null,
      limit: perPage + 1,
      offset: (current - 1) * perPage,
    })
    const sub = 'Whom ImmyBot knows: persons of Entra, and those made by hand.'
    return {
      title: 'Persons',
      body: listPage('Persons', sub, '/persons', { search, current }, personColumns, rows),
    }
  })
  page('/computers', '/computers', async (context) => {
    const { search, page: current } = parsed(query, context.req.query())
    const rows = await listComputers(deps.db, {
      search: search.trim() || null,
      limit: perPage + 1,
      offset: (current - 1) * perPage,
    })
    const sub = 'Fed by ImmyBot, with their primary users.'
    return {
      title: 'Computers',
      body: listPage('Computers', sub, '/computers', { search, current }, computerColumns, rows),
    }
  })
}

function listPage<T>(
  title: string,
  sub: string,
  path: string,
  { search, current }: { search: string; current: number },
  columns: Column<T>[],
  rows: readonly T[],
) {
  const before = (current - 1) * perPage
  // One row more than a page was read: whether there is another one, without counting them all.
  const total = before + rows.length
  return html`<h1>${title}</h1>
    <p class="sub">${sub}</p>
    <section aria-label="${title}">
      <form class="search" method="get" action="${path}" role="search">
        <label
          >Search by name or UPN
          <input type="search" name="search" value="${search}" maxlength="200" />
        </label>
        <button>Search</button>
        ${search === '' ? nothing : html`<a href="${path}">Show all</a>`}
      </form>
      ${table(title, columns, rows.slice(0, perPage), search === '' ? `No ${title.toLowerCase()} yet.` : 'None is like that.')}
      ${pager({ page: current, perPage, total }, (to) => address(path, { search, page: to }))}
    </section>`
}

const personColumns: Column<ListedPerson>[] = [
  {
    title: 'Person',
    heading: true,
    value: (one) =>
      html`<a href="/persons/${one.personId}">${name(one.name ?? one.userPrincipalName ?? one.personId)}</a>
        ${marks(one)}`,
  },
  {
    title: 'UPN',
    value: ({ userPrincipalName }) => (userPrincipalName === null ? '–' : name(userPrincipalName)),
  },
  { title: 'Tenant', value: ({ tenant }) => (tenant === null ? 'none' : name(tenant)) },
  { title: 'Department', value: ({ department }) => (department === null ? '' : name(department)) },
  { title: 'Tags', value: ({ tags }) => name(tags.join(', ')) },
  { title: 'Targets', right: true, value: ({ targets }) => number(targets) },
]

function marks({ enabled, userType, handMade, protectedReason }: ListedPerson): Content {
  return html`${enabled === false ? pill('mute', 'disabled') : nothing}
  ${userType?.toLowerCase() === 'guest' ? pill('mute', 'guest') : nothing}
  ${handMade ? pill('mute', 'made by hand') : nothing}
  ${protectedReason === null ? nothing : pill('good', 'protected')}`
}

const computerColumns: Column<ListedComputer>[] = [
  {
    title: 'Computer',
    heading: true,
    value: (one) => html`<a href="/computers/${one.computerId}">${name(one.name)}</a>`,
  },
  { title: 'Tenant', value: ({ tenant }) => name(tenant) },
  {
    title: 'Primary user',
    value: ({ primaryUser, person }) =>
      primaryUser === null
        ? '–'
        : person === null
          ? html`${name(primaryUser)} ${pill('warn', 'nobody in this directory')}`
          : name(person),
  },
  {
    title: 'Entra device',
    value: ({ entraDeviceId, deviceKnown }) =>
      entraDeviceId === null ? '–' : deviceKnown ? 'known' : 'not in the directory',
  },
  { title: 'Targets', right: true, value: ({ targets }) => number(targets) },
]
