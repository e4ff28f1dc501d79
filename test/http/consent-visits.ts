import { createTicket } from '../../src/consent/grants/tickets.ts'
import { log } from '../consent/cloud.ts'
import { openConsentCloud } from '../consent/grants/consent-cloud.ts'
import { startTestHttp } from './start.ts'
import type { HttpDeps } from '../../src/http/server.ts'

export const cookie = '__Host-entra-sync-consent'

export interface Page {
  status: number
  title: string
  text: string
  headers: Headers
}

/** A customer's admin with a browser, our HTTP server, and the simulated Microsoft between them. */
export async function openConsentVisits(options: Partial<HttpDeps> = {}) {
  const cloud = await openConsentCloud()
  const { config, db, graph } = cloud
  const server = await startTestHttp({
    db,
    graph,
    log,
    cloud: config.cloud,
    http: { host: '127.0.0.1', port: 0, publicUrl: config.http.publicUrl },
    ...options,
  })

  async function page(path: string, headers: Record<string, string> = {}): Promise<Page> {
    const answer = await fetch(server.url + path, { redirect: 'manual', headers })
    const text = await answer.text()
    const title = /<title>(.*?) – entra-sync<\/title>/.exec(text)?.[1] ?? ''
    return { status: answer.status, title, text, headers: answer.headers }
  }

  const visits = {
    ...cloud,
    server,
    page,
    /** A link as `consent url` makes it. */
    async link(clientId = cloud.cloud.clientId): Promise<string> {
      return (await createTicket(db, { entraTenantId: cloud.customer, clientId, actor: 'command (ada)' })).url
    },
    /** Opens the link: where Microsoft is, and the cookie. */
    async start(link: string, given?: string): Promise<{ microsoft: URL; browser: string; state: string }> {
      const answer = await page(link, given === undefined ? {} : { Cookie: given })
      const microsoft = new URL(answer.headers.get('location') ?? '')
      const browser = answer.headers.getSetCookie()[0]?.split(';')[0] ?? ''
      return { microsoft, browser, state: microsoft.searchParams.get('state') ?? '' }
    },
    /** Answers Microsoft's page: the path that the browser is sent back to. */
    async decide(microsoft: URL, decision: 'accept' | 'cancel'): Promise<string> {
      const answer = await fetch(`${microsoft.href}&decision=${decision}`, { redirect: 'manual' })
      const back = new URL(answer.headers.get('location') ?? '')
      return back.pathname + back.search
    },
    async back(path: string, browser?: string): Promise<Page> {
      return page(path, browser === undefined ? {} : { Cookie: browser })
    },
    /** From the link to the page that the admin ends on. */
    async consent(decision: 'accept' | 'cancel' = 'accept'): Promise<Page> {
      const { microsoft, browser } = await visits.start(await visits.link())
      return visits.back(await visits.decide(microsoft, decision), browser)
    },
  }
  return visits
}

export type ConsentVisits = Awaited<ReturnType<typeof openConsentVisits>>
