import { html } from 'hono/html'
import { z } from 'zod'
import { readOutages } from '../../db/cloud-outages.ts'
import { readFreeze } from '../../db/fleet-freeze.ts'
import { readProblemPage, type OpenProblem } from '../../db/open-problems.ts'
import {
  countStatus,
  listStatus,
  statusFilters,
  type ListedStatus,
  type StatusFilter,
} from '../../db/status.ts'
import { parsed } from '../input.ts'
import { outageText } from '../outage-text.ts'
import type { ConsoleContext } from './console-context.ts'
import {
  address,
  due,
  name,
  nothing,
  number,
  pager,
  pill,
  table,
  when,
  type Column,
  type Markup,
} from './parts.ts'
import { problemItem } from './problem-item.ts'
import { consentOf, filters, stateOf } from './words.ts'

const perPage = 50
const problemsShown = 10

export const listQuery = z.object({
  search: z.string().max(200).default(''),
  filter: z.preprocess((text) => (text === '' ? undefined : text), z.enum(statusFilters).optional()),
  page: z.coerce.number().int().min(1).max(100_000).default(1),
})

/** `/`: how all Entra tenants stand, what is wrong and who acts, then the list. */
export function addOverview({ deps, page }: ConsoleContext): void {
  const { db, syncIntervalMs } = deps
  page('/', '/', async (context, operator) => {
    const query = parsed(listQuery, context.req.query())
    const [counts, problems, list, freeze, outages] = await Promise.all([
      countStatus(db, syncIntervalMs),
      readProblemPage(db, { silenced: false, limit: problemsShown }),
      listStatus(db, syncIntervalMs, {
        search: query.search,
        filter: query.filter,
        limit: perPage,
        offset: (query.page - 1) * perPage,
      }),
      readFreeze(db),
      readOutages(db),
    ])
    const body = html`<h1>Overview</h1>
      ${freeze === null ? nothing : frozenBanner(freeze.reason)}
      ${outages.map((outage) => html`<p class="flash bad" role="alert">${outageText(outage)}.</p>`)}
      ${cards(counts, query.filter)} ${problemList(problems, operator)}
      ${counts.all === 0 ? firstSteps : tenantList(list, query)}`
    return { title: 'Overview', body }
  })
}

const frozenBanner = (reason: string): Markup =>
  html`<div class="flash bad" role="alert">
    <p><strong>All removals are frozen:</strong> ${name(reason)}. <a href="/holds">Holds</a></p>
  </div>`

const firstSteps = html`<section>
  <h2>No Entra tenant yet</h2>
  <p>
    Make the first one, the MSP's own, on the command line:
    <code>entra-sync init --name NAME --entra-tenant DOMAIN</code>
  </p>
</section>`

function cards(counts: Record<StatusFilter | 'all', number>, current: StatusFilter | undefined): Markup {
  const card = (which: StatusFilter | 'all') => {
    const [tone, text] = filters[which]
    const href = address('/', { filter: which === 'all' ? undefined : which })
    const here = (current ?? 'all') === which
    return html`<li class="${counts[which] === 0 ? 'mute' : tone}">
      <a href="${href}" ${here ? html`aria-current="true"` : nothing}
        ><strong>${number(counts[which])}</strong> ${text}</a
      >
    </li>`
  }
  return html`<ul class="counts" aria-label="Entra tenants by state">
    ${(['all', ...statusFilters] as const).map(card)}
  </ul>`
}

function problemList({ rows, total }: { rows: OpenProblem[]; total: number }, operator: boolean): Markup {
  if (total === 0) return nothing
  const more =
    total > rows.length
      ? html`<p class="hint">
          The ${rows.length} oldest of ${number(total)};
          <a href="/problems">all problems</a>.
        </p>`
      : nothing
  return html`<section aria-labelledby="problems">
    <h2 id="problems">Open problems</h2>
    ${rows.map((problem) => problemItem(problem, { operator, named: true }))} ${more}
  </section>`
}

const columns: Column<ListedStatus>[] = [
  {
    title: 'Entra tenant',
    heading: true,
    value: (row) =>
      html`<a href="/entra-tenants/${row.entra_tenant_id}"
          >${name(row.display_name ?? row.default_domain ?? row.entra_tenant_id)}</a
        >
        <span class="note">${row.default_domain ?? row.entra_tenant_id}</span>`,
  },
  { title: 'Tenant', value: ({ tenant }) => (tenant === null ? pill('mute', 'not linked') : name(tenant)) },
  { title: 'Kind', value: ({ kind }) => kind },
  {
    title: 'State',
    value: ({ state, stale }) => html`${stateOf(state)} ${stale ? pill('warn', 'stale') : nothing}`,
  },
  { title: 'Consent', value: ({ consent }) => consentOf(consent) },
  { title: 'Users', right: true, value: ({ users }) => number(users) },
  { title: 'Last sync', right: true, value: ({ last_synced_at: at }) => when(at) },
  {
    title: 'Next sync',
    right: true,
    value: ({ next_sync_at: at, scheduled }) => (scheduled ? due(at) : '–'),
  },
  {
    title: 'Problems',
    right: true,
    value: ({ problems, problems_silenced: silenced }) =>
      html`${number(problems)}${silenced > 0 ? html` <span class="note">${silenced} silenced</span>` : nothing}`,
  },
]

function tenantList(
  { rows, total }: { rows: ListedStatus[]; total: number },
  { search, filter, page }: z.output<typeof listQuery>,
): Markup {
  const all = search === '' && filter === undefined
  const which = filter === undefined ? '' : `, ${filters[filter][1]}`
  return html`<section aria-labelledby="entra-tenants">
    <h2 id="entra-tenants">Entra tenants</h2>
    <form class="search" method="get" action="/" role="search">
      <label
        >Search by name, domain or id
        <input type="search" name="search" value="${search}" maxlength="200" />
      </label>
      ${filter === undefined ? nothing : html`<input type="hidden" name="filter" value="${filter}" />`}
      <button>Search</button>
      ${all ? nothing : html`<a href="/">Show all</a>`}
    </form>
    ${table(`${number(total)} Entra tenants${which}`, columns, rows, 'No Entra tenant is like that.')}
    ${pager({ page, perPage, total }, (to) => address('/', { search, filter, page: to }))}
  </section>`
}
