import type { Hono } from 'hono'
import { isEntraSyncError, type EntraSyncError } from '../../errors.ts'
import type { HttpEnv } from '../access.ts'
import { formOf } from '../body.ts'
import type { ConsoleDeps } from '../console-deps.ts'
import { statusOf } from '../failure-status.ts'
import { addAuditPage } from './audit.ts'
import type { ConsoleContext } from './console-context.ts'
import { addCustomersPage } from './customers.ts'
import { addDeploymentPages } from './deployments.ts'
import { addEntraTenantActs } from './entra-tenant-acts.ts'
import { addEntraTenantPage } from './entra-tenant.ts'
import { failurePage, type Refusal } from './failure-page.ts'
import { createFlashes, type Flash } from './flashes.ts'
import { addHoldPages } from './holds.ts'
import { addLevelForms } from './level-forms.ts'
import { addOffboardPage } from './offboard.ts'
import { addOverview } from './overview.ts'
import { addPersonsPages } from './persons.ts'
import { addPreconsentPage } from './preconsent.ts'
import { addProblemsPage } from './problems.ts'
import { shell } from './shell.ts'
import { addStylesheet } from './stylesheet.ts'
import { addTenantPage } from './tenant.ts'
import { addTenantsPage } from './tenants.ts'
import { addWhyPages } from './why.ts'

/** The pages for people. Everything on them is made by the server; they need no script. */
export function addConsole(app: Hono<HttpEnv>, deps: ConsoleDeps): void {
  const flashes = createFlashes()
  addStylesheet(app)
  const console: ConsoleContext = {
    deps,
    page(path, here, render) {
      app.get(path, async (context) => {
        const signedIn = context.get('signedIn')
        const flash = flashes.take(context.req.query('flash') ?? '', signedIn.name)
        try {
          const { title, body } = await render(context, signedIn.role === 'operator')
          return await context.html(shell({ title, here, signedIn, flash }, body))
        } catch (error) {
          if (!isEntraSyncError(error)) throw error
          return failurePage(context, refusalOf(error), statusOf(error))
        }
      })
    },
    act(path, back, run) {
      app.post(path, async (context) => {
        const signedIn = context.get('signedIn')
        if (signedIn.role !== 'operator') {
          const message = 'A viewer may not do this.'
          const remedy = 'Sign in with an operator token.'
          return failurePage(context, { error: 'forbidden', message, remedy }, 403)
        }
        const form = await formOf(context, { all: true })
        const flash = await run(form, context).catch((error) => {
          if (!isEntraSyncError(error)) throw error
          deps.log.info({ err: error, path: context.req.path }, 'an act in the console was refused')
          return flashOf(error)
        })
        const to = new URL(back(context, form), 'http://console')
        to.searchParams.set('flash', flashes.keep(flash, signedIn.name))
        // Two slashes begin the name of a host: an id of `..%2f%2fevil.example` sent its browser there.
        return context.redirect(to.pathname.replace(/^\/+/, '/') + to.search + to.hash, 303)
      })
    },
  }
  addOverview(console)
  addEntraTenantPage(console)
  addEntraTenantActs(console)
  addLevelForms(console)
  addOffboardPage(console)
  addCustomersPage(console)
  addPreconsentPage(console)
  addTenantsPage(console)
  addTenantPage(console)
  addDeploymentPages(console)
  addPersonsPages(console)
  addWhyPages(console)
  addProblemsPage(console)
  addHoldPages(console)
  addAuditPage(console)
}

const refusalOf = ({ code, message, remedy }: EntraSyncError): Refusal => ({ error: code, message, remedy })

function flashOf({ message, remedy, requestId }: EntraSyncError): Flash {
  const more = [
    ...(remedy === undefined ? [] : [remedy]),
    ...(requestId === undefined ? [] : [`Microsoft's request id: ${requestId}`]),
  ]
  return { tone: 'bad', text: message, more }
}
