import { html } from 'hono/html'
import type { CustomerPreflight, Preflight, Requirement } from '../../consent/preconsent/preflight.ts'
import { name, nothing, pill, table, type Column, type Markup } from './parts.ts'

const verdict = (ok: boolean | null): Markup =>
  ok === null ? pill('warn', 'not known') : ok ? pill('good', 'holds') : pill('bad', 'missing')

const columns: Column<Requirement>[] = [
  {
    title: 'Requirement',
    heading: true,
    value: ({ found, code }) => html`${found} <span class="note code">${code}</span>`,
  },
  { title: 'Verdict', value: ({ ok }) => verdict(ok) },
  { title: 'What to do', value: ({ remedy, ok }) => (ok === true || remedy === null ? '–' : remedy) },
]

/** What a pre-flight found, by partner and customer, with the button that goes on with those that are ready. */
export function preflightPage(found: Preflight[]): Markup {
  return html`<h1>Before pre-consent</h1>
    <p class="sub">Nothing is changed yet. <a href="/customers">Back to the customers</a></p>
    ${found.map((one) => partnerSection(one))}
    <form method="post" action="/preconsent">
      <section aria-labelledby="go">
        <h2 id="go">Pre-consent these</h2>
        ${found.flatMap(({ ready, customers }) => customers.map((one) => choice(one, ready && one.ready)))}
        <p class="acts above"><button class="main">Pre-consent</button></p>
      </section>
    </form>`
}

function choice({ entraTenantId, name: customer, ready }: CustomerPreflight, checked: boolean): Markup {
  return html`<label class="choice">
    <input type="checkbox" name="customer" value="${entraTenantId}" ${checked ? html`checked` : nothing} />
    ${name(customer)} ${ready ? nothing : pill('bad', 'something is missing')}
  </label>`
}

function partnerSection({ partnerName, userName, clientId, requirements, customers }: Preflight): Markup {
  return html`<section>
    <h2>${name(partnerName)}</h2>
    <p>
      ${userName === null ? 'Nobody has signed in.' : html`As ${name(userName)}`}, for app
      <code>${clientId}</code>.
    </p>
    ${table('What all customers depend on', columns, requirements, 'Nothing.')}
    ${customers.map(
      ({ name: customer, ready, requirements: own }) =>
        html`<details ${ready ? nothing : html`open`}>
          <summary>${name(customer)} ${verdict(ready)}</summary>
          ${table(`Requirements of ${customer}`, columns, own, 'Nothing.')}
        </details>`,
    )}
  </section>`
}
