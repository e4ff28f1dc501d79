import { html } from 'hono/html'
import { z } from 'zod'
import {
  listDeployments,
  type ListedDeployment,
  type TenantOfDeployment,
} from '../../targets/deployments/list.ts'
import { targetText } from '../../targets/target-text.ts'
import { wantedText } from '../../targets/words.ts'
import { readDeployment } from '../acts/deployments.ts'
import { parsed } from '../input.ts'
import { idOf, type ConsoleContext } from './console-context.ts'
import {
  address,
  facts,
  name,
  nothing,
  number,
  pager,
  pill,
  table,
  when,
  type Column,
  type Content,
  type Markup,
} from './parts.ts'

const perPage = 100
/** Warnings of each deployment in the list; its own page has more. */
const warningsInList = 3

const query = z.object({
  search: z.string().max(200).default(''),
  only: z.enum(['', 'warned']).default(''),
  page: z.coerce.number().int().min(1).max(100_000).default(1),
})
const pageQuery = z.object({ page: z.coerce.number().int().min(1).max(100_000).default(1) })

/** `/deployments`: what is deployed to whom, and what is odd about it; `/deployments/:id`: one of them by tenant. */
export function addDeploymentPages({ deps, page }: ConsoleContext): void {
  page('/deployments', '/deployments', async (context) => {
    const { search, only, page: current } = parsed(query, context.req.query())
    const part = search.trim().toLowerCase()
    const all = await listDeployments(deps.db, { warnings: warningsInList })
    const found = all.filter(
      (one) =>
        (only === '' || one.warningCount > 0 || one.held > 0) &&
        `${one.name} ${one.item} ${targetText(one)}`.toLowerCase().includes(part),
    )
    const body = html`<h1>Deployments</h1>
      <p class="sub">
        Who is to get which maintenance item. They come from files: <code>entra-sync deployments apply</code>,
        the API, or SQL.
      </p>
      <section aria-labelledby="list">
        <h2 id="list">All deployments</h2>
        <form class="search" method="get" action="/deployments" role="search">
          <label
            >Search by name, item or target
            <input type="search" name="search" value="${search}" maxlength="200" />
          </label>
          <label
            >Show
            <select name="only">
              <option value="">all</option>
              <option value="warned" ${only === 'warned' ? html`selected` : nothing}>
                with warnings or holds
              </option>
            </select>
          </label>
          <button>Search</button>
          ${search === '' && only === '' ? nothing : html`<a href="/deployments">Show all</a>`}
        </form>
        ${table(
          `${number(found.length)} ${found.length === 1 ? 'deployment' : 'deployments'}`,
          columns,
          found.slice((current - 1) * perPage, current * perPage),
          all.length === 0 ? 'No deployment yet.' : 'No deployment is like that.',
        )}
        ${pager({ page: current, perPage, total: found.length }, (to) =>
          address('/deployments', { search, only, page: to }),
        )}
      </section>`
    return { title: 'Deployments', body }
  })

  page('/deployments/:id', '/deployments', async (context) => {
    const { page: current } = parsed(pageQuery, context.req.query())
    const deployment = await readDeployment(deps, { ids: [idOf(context)] })
    return { title: deployment.name, body: deploymentPage(deployment, current) }
  })
}

const columns: Column<ListedDeployment>[] = [
  {
    title: 'Deployment',
    heading: true,
    value: (one) =>
      html`<a href="/deployments/${one.deploymentId}">${name(one.name)}</a> ${marks(one)} ${warningsOf(one)}`,
  },
  { title: 'Gives', value: (one) => name(wantedText(one.item, one.version, one.desiredState)) },
  { title: 'To', value: (one) => name(targetText(one)) },
  { title: 'Scope', value: scopeOf },
  { title: 'Enforcement', value: ({ enforcement }) => enforcement.replace('_', ' ') },
  { title: 'Persons', right: true, value: ({ persons }) => number(persons) },
  { title: 'Own computers', right: true, value: ({ computers }) => number(computers) },
]

const tenantColumns: Column<TenantOfDeployment>[] = [
  {
    title: 'Tenant',
    heading: true,
    value: ({ tenantId, tenant }) => html`<a href="/tenants/${tenantId}">${name(tenant)}</a>`,
  },
  { title: 'Persons', right: true, value: ({ persons }) => number(persons) },
  { title: 'Computers', right: true, value: ({ computers }) => number(computers) },
]

function deploymentPage(
  deployment: ListedDeployment & { targets: TenantOfDeployment[] },
  current: number,
): Markup {
  const { targets, warnings, warningCount, held } = deployment
  const total = (of: 'persons' | 'computers'): string =>
    number(targets.reduce((all, tenant) => all + tenant[of], 0))
  return html`<h1>${name(deployment.name)} ${marks(deployment)}</h1>
    <p class="sub"><code>${deployment.deploymentId}</code></p>
    ${
      warnings.length === 0
        ? nothing
        : html`<section aria-labelledby="warnings">
            <h2 id="warnings">Warnings</h2>
            ${table(
              `${number(warningCount)} ${warningCount === 1 ? 'warning' : 'warnings'}`,
              warningColumns,
              warnings,
              '',
            )}
            ${
              warningCount > warnings.length
                ? html`<p class="hint">… and ${number(warningCount - warnings.length)} more</p>`
                : nothing
            }
          </section>`
    }
    <section aria-labelledby="rule">
      <h2 id="rule">Rule</h2>
      ${facts([
        ['Gives', name(wantedText(deployment.item, deployment.version, deployment.desiredState))],
        ['To', name(targetText(deployment))],
        [
          'Excludes',
          deployment.excludes.length === 0 ? 'nobody' : deployment.excludes.map(excluded).join('; '),
        ],
        ['Only', filtersOf(deployment.filters)],
        ['Scope', scopeOf(deployment)],
        ['Enforcement', deployment.enforcement.replace('_', ' ')],
        ['Rank', String(deployment.rank)],
        ['Comes from', deployment.source === 'table' ? 'SQL or the API' : name(deployment.source)],
        ['Made', when(deployment.createdAt)],
        ['Changed', when(deployment.updatedAt)],
        ['Wins for', `${total('persons')} persons and ${total('computers')} computers`],
        ...(held > 0 ? [['Held', `${number(held)} changes wait for an operator`] as const] : []),
      ])}
    </section>
    <section aria-labelledby="tenants">
      <h2 id="tenants">Where it wins</h2>
      ${table(
        `${number(targets.length)} ${targets.length === 1 ? 'tenant' : 'tenants'}; computers count through their primary users, too`,
        tenantColumns,
        targets.slice((current - 1) * perPage, current * perPage),
        'It wins for nobody.',
      )}
      ${pager({ page: current, perPage, total: targets.length }, (to) =>
        address(`/deployments/${deployment.deploymentId}`, { page: to }),
      )}
    </section>`
}

const warningColumns: Column<ListedDeployment['warnings'][number]>[] = [
  { title: 'Where', value: ({ tenant }) => (tenant === null ? 'everywhere' : name(tenant)) },
  { title: 'What', value: ({ message }) => name(message) },
]

function marks({ enabled, held, warningCount }: ListedDeployment): Markup {
  return html`${enabled ? nothing : pill('mute', 'off')}
  ${held > 0 ? pill('warn', `${number(held)} held`) : nothing}
  ${warningCount > 0 ? pill('warn', warningCount === 1 ? '1 warning' : `${number(warningCount)} warnings`) : nothing}`
}

function warningsOf({ warnings }: ListedDeployment): Markup {
  return html`${warnings.map(
    ({ message, tenant }) =>
      html`<span class="note">${tenant === null ? nothing : html`${name(tenant)}: `}${name(message)}</span>`,
  )}`
}

function scopeOf({ scope, tenant }: ListedDeployment): Content {
  if (scope === 'single_tenant') return html`${name(tenant ?? 'a tenant')} and below`
  return scope === 'cross_tenant' ? 'all tenants' : 'individual'
}

function excluded({ type = '', ...target }: Record<string, string>): string {
  return `${type.replace('_', ' ')} ${Object.values(target).join(' ')}`.trim()
}

function filtersOf(filters: Record<string, unknown>): string {
  const parts = Object.entries(filters).map(
    ([key, value]) => `${key}: ${Array.isArray(value) ? value.join(', ') : String(value)}`,
  )
  return parts.length === 0 ? 'enabled accounts, no guests' : parts.join('; ')
}
