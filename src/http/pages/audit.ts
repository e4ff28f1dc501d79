import { html } from 'hono/html'
import { z } from 'zod'
import { listAudit, type AuditRow } from '../../db/audit-log.ts'
import { parsed, uuid } from '../input.ts'
import type { ConsoleContext } from './console-context.ts'
import { address, name, nothing, table, when, type Column } from './parts.ts'

const perPage = 50
const query = z.object({
  before: z.coerce.number().int().min(1).optional(),
  entraTenant: uuid.optional(),
})

const columns: Column<AuditRow>[] = [
  { title: 'When', value: ({ at }) => when(at) },
  { title: 'Who', value: ({ actor }) => name(actor) },
  { title: 'What', heading: true, value: ({ action }) => action },
  {
    title: 'Entra tenant',
    value: ({ entraTenantId: id, entraTenant }) =>
      id === null ? '–' : html`<a href="/entra-tenants/${id}">${name(entraTenant ?? id)}</a>`,
  },
  { title: 'Tenant', value: ({ tenant, tenantId }) => name(tenant ?? tenantId ?? '–') },
  { title: 'Detail', value: ({ detail }) => html`<code>${plain(detail)}</code>` },
]

/** Facts of an act as `name: value` pairs. */
function plain(detail: unknown): string {
  if (typeof detail !== 'object' || detail === null) return ''
  return Object.entries(detail)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([key, value]) => `${key}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ')
}

/** `/audit`: what operators did. */
export function addAuditPage({ deps: { db }, page }: ConsoleContext): void {
  page('/audit', '/audit', async (context) => {
    const { before, entraTenant } = parsed(query, context.req.query())
    const rows = await listAudit(db, { entraTenantId: entraTenant, before, limit: perPage + 1 })
    const shown = rows.slice(0, perPage)
    const last = shown.at(-1)
    const body = html`<h1>Audit log</h1>
      <p class="sub">Who did what: acts of operators, not what a sync does by itself.</p>
      <section>
        ${table('The newest first', columns, shown, 'Nothing was done yet.')}
        <nav class="pages" aria-label="Pages">
          ${before === undefined ? nothing : html`<a href="${address('/audit', { entraTenant })}">Newest</a>`}
          ${
            rows.length > perPage && last !== undefined
              ? html`<a rel="next" href="${address('/audit', { entraTenant, before: last.auditId })}"
                  >Older</a
                >`
              : nothing
          }
        </nav>
      </section>`
    return { title: 'Audit log', body }
  })
}
