import { html } from 'hono/html'
import type { OpenProblem } from '../../db/open-problems.ts'
import { name, nothing, pill, when, type Markup } from './parts.ts'
import { whoActs } from './words.ts'

/** An open problem: what, since when, who acts and how; `named`: with its Entra tenant. */
export function problemItem(problem: OpenProblem, { named }: { operator: boolean; named: boolean }): Markup {
  const { entra_tenant_id: id, code, message, remedy, opened_at: since, request_id: request } = problem
  return html`<article class="problem ${problem.silenced ? 'silenced' : ''}">
    <p>
      ${named ? html`<a href="/entra-tenants/${id}">${name(problem.name)}</a>: ` : nothing}<strong
        >${message}</strong
      >
    </p>
    <p>${whoActs[problem.who_acts]}: ${remedy}</p>
    <p class="hint">
      <code>${code}</code>, since
      ${when(since)}${request === null ? nothing : html`, request <code>${request}</code>`}
      ${problem.silenced ? pill('mute', 'silenced') : nothing}
    </p>
  </article>`
}
