import { html } from 'hono/html'
import type { OpenProblem } from '../../db/open-problems.ts'
import { name, nothing, pill, when, type Markup } from './parts.ts'
import { whoActs } from './words.ts'

/** An open problem: what, since when, who acts and how; `named`: with its Entra tenant. Operators may silence it. */
export function problemItem(
  problem: OpenProblem,
  { operator, named }: { operator: boolean; named: boolean },
): Markup {
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
      ${problem.silenced ? html`<a href="/problems#silences">${pill('mute', 'silenced')}</a>` : nothing}
    </p>
    ${operator && !problem.silenced ? silenceForm(problem, named) : nothing}
  </article>`
}

function silenceForm({ entra_tenant_id: id, code, name: tenant }: OpenProblem, named: boolean): Markup {
  return html`<details class="quiet">
    <summary>Silence<span class="hidden"> ${code} of ${tenant}</span></summary>
    <form class="search" method="post" action="/problem-silences">
      <input type="hidden" name="code" value="${code}" />
      <input type="hidden" name="back" value="${named ? 'problems' : 'entra-tenant'}" />
      <input type="hidden" name="of" value="${id}" />
      <label
        >Where
        <select name="entraTenantId">
          <option value="${id}">this Entra tenant</option>
          <option value="">every Entra tenant</option>
        </select>
      </label>
      <label>Until <input type="date" name="until" /></label>
      <label>Why <input name="reason" maxlength="500" /></label>
      <button>Silence</button>
    </form>
  </details>`
}
