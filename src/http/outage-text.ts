import type { Outage } from '../db/cloud-outages.ts'

const names = { graph: 'Microsoft Graph', login: "Microsoft's login service" }

/** One sentence of what is away, since when, and what follows of it. */
export function outageText({ service, since }: Outage): string {
  return `${names[service]} has answered nobody since ${new Date(since).toISOString()}: it is asked every few seconds, and all go on when it answers`
}
