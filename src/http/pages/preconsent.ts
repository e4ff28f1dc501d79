import { html } from 'hono/html'
import { z } from 'zod'
import { listSignIns, type SignIn } from '../../consent/preconsent/sign-ins.ts'
import { readPartners, type Partner } from '../../db/partners.ts'
import { readPreconsents, type PreconsentRow } from '../../db/preconsents.ts'
import { parsed, uuid } from '../input.ts'
import { forgetSignIn, preconsentNow, preflightOf } from '../acts/preconsent.ts'
import { requireOperator, type ConsoleContext } from './console-context.ts'
import { act as button, address, name, nothing, number, pager, pill, table, when } from './parts.ts'
import type { Column, Markup, Tone } from './parts.ts'
import { partnerSignInPath } from '../consent/partner-sign-in.ts'
import { preflightPage } from './preflight.ts'

const perPage = 50
const query = z.object({ page: z.coerce.number().int().min(1).max(100_000).default(1) })
const many = z.preprocess((value) => (value === undefined ? [] : [value].flat()), z.array(uuid).max(1000))
const chosen = z.object({ customer: many })

/** `/preconsent`: who signed in for it, how far each one came; and the way there, over what is checked before. */
export function addPreconsentPage({ deps, page, act }: ConsoleContext): void {
  const { db } = deps
  page('/preconsent', '/preconsent', async (context, operator) => {
    const { page: current } = parsed(query, context.req.query())
    const [{ rows, counts }, signIns, partners] = await Promise.all([
      readPreconsents(db, { limit: perPage, offset: (current - 1) * perPage }),
      listSignIns(db),
      readPartners(db),
    ])
    const total = counts.open + counts.done + counts.failed
    const body = html`<h1>Pre-consent</h1>
      <p class="sub">
        A partner user consents for GDAP customers, without their admins. Choose customers on the page
        <a href="/customers">Customers</a>.
      </p>
      ${signInSection(signIns, operator ? partners : [], operator)}
      <section aria-labelledby="progress">
        <h2 id="progress">Progress</h2>
        ${total === 0 ? nothing : progress(counts)}
        ${table('Those under way first', columns, rows, 'It was asked for no customer yet.')}
        ${pager({ page: current, perPage, total }, (to) => address('/preconsent', { page: to }))}
      </section>`
    return { title: 'Pre-consent', body }
  })

  page('/preconsent/preflight', '/preconsent', async (context, operator) => {
    requireOperator(operator)
    const { customer } = parsed(chosen, { customer: context.req.queries('customer') })
    const found = await preflightOf(deps, customer, context.req.raw.signal)
    return { title: 'Before pre-consent', body: preflightPage(found) }
  })

  act(
    '/preconsent',
    () => '/preconsent',
    async (form, context) => {
      const { customer } = parsed(chosen, form)
      if (customer.length === 0) return { tone: 'bad', text: 'No customer was chosen.' }
      const actor = context.get('signedIn').name
      const { requested, left } = await preconsentNow(deps, { entraTenantIds: customer }, actor)
      const text = `Pre-consent is asked for ${requested.length === 1 ? '1 customer' : `${requested.length} customers`}.`
      const told = left.map(({ message, remedy }) => `Left out: ${message} ${remedy ?? ''}`)
      return { tone: requested.length === 0 ? 'bad' : 'good', text, more: told }
    },
  )
  act(
    '/partner-sign-ins/:signInId/remove',
    () => '/preconsent',
    async (_form, context) => {
      const id = parsed(uuid, context.req.param('signInId'))
      const { userName } = await forgetSignIn(deps, id, context.get('signedIn').name)
      return { tone: 'good', text: `The sign-in of ${userName} is forgotten.` }
    },
  )
}

function signInSection(signIns: SignIn[], partners: Partner[], operator: boolean): Markup {
  const shown: Column<SignIn>[] = [
    { title: 'User', heading: true, value: ({ userName }) => name(userName) },
    { title: 'Partner', value: ({ partnerName }) => name(partnerName) },
    {
      title: 'State',
      value: ({ refusedAt, refusedCode }) =>
        refusedAt === null
          ? pill('good', 'good')
          : html`${pill('bad', 'has to sign in again')} <span class="note">${refusedCode ?? ''}</span>`,
    },
    { title: 'Signed in', value: ({ obtainedAt }) => when(obtainedAt) },
    { title: 'Last used', value: ({ lastUsedAt }) => when(lastUsedAt) },
  ]
  if (operator) {
    shown.push({
      title: 'Act',
      value: ({ signInId, userName }) =>
        button(`/partner-sign-ins/${signInId}/remove`, 'Forget', {
          kind: 'small danger',
          label: `Forget the sign-in of ${userName}`,
        }),
    })
  }
  return html`<section aria-labelledby="sign-ins">
    <h2 id="sign-ins">Partner users</h2>
    ${table('Who signed in; tokens are stored encrypted and never shown', shown, signIns, 'Nobody has signed in.')}
    ${
      partners.length === 0
        ? nothing
        : html`<div class="acts above">
            ${partners.map(
              (one) =>
                html`<a class="button" href="${partnerSignInPath}?partner=${one.id}"
                  >Sign in a user of ${name(one.name)}</a
                >`,
            )}
          </div>`
    }
  </section>`
}

function progress({ open, done, failed }: { open: number; done: number; failed: number }): Markup {
  const total = open + done + failed
  return html`<label
      >${number(done)} done, ${number(failed)} failed, ${number(open)} under way
      <progress max="${total}" value="${done + failed}">${done + failed} of ${total}</progress>
    </label>
    ${open === 0 ? nothing : html`<p><a href="/preconsent">Look again</a></p>`}`
}

const steps: Record<string, [Tone, string]> = {
  waiting: ['mute', 'waiting'],
  consenting: ['warn', 'consenting'],
  granting: ['warn', 'granting'],
  cleaning: ['warn', 'taking back what was for the start'],
  proving: ['warn', 'proving'],
  done: ['good', 'done'],
  failed: ['bad', 'failed'],
}

const columns: Column<PreconsentRow>[] = [
  {
    title: 'Customer',
    heading: true,
    value: ({ entraTenantId, name: customer }) =>
      html`<a href="/entra-tenants/${entraTenantId}">${name(customer)}</a>`,
  },
  {
    title: 'Step',
    value: ({ step, bootstrapOpen, finishedAt }) => {
      const [tone, text] = steps[step] ?? ['mute', step]
      return html`${pill(tone, text)}
      ${bootstrapOpen && finishedAt !== null ? pill('bad', 'to be taken back') : nothing}`
    },
  },
  { title: 'Asked for', value: ({ requestedAt }) => when(requestedAt) },
  { title: 'By', value: ({ requestedBy }) => requestedBy },
  { title: 'Tries', right: true, value: ({ attempts }) => number(attempts) },
  {
    title: 'Error',
    value: ({ errorCode, errorMessage, errorRemedy, errorRequestId: request }) =>
      errorCode === null
        ? '–'
        : html`<code>${errorCode}</code>
            <span class="note">${errorMessage} ${errorRemedy ?? ''}</span>
            ${request === null ? nothing : html`<span class="note">request ${request}</span>`}`,
  },
]
