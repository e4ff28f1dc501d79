import type { OffboardPlan } from '../consent/offboard/plan.ts'
import { planOffboard } from '../consent/offboard/plan.ts'
import { offboard, type OffboardReport } from '../consent/offboard/offboard.ts'
import { appsInside } from '../consent/offboard/grants.ts'
import { revokeGrants } from '../consent/preconsent/revoke.ts'
import { checkArchiveFile } from '../consent/offboard/archive.ts'
import { openPreconsent } from '../preconsent-of-config.ts'
import { releaseTargets } from '../targets/release.ts'
import { actorOfCommand } from './actor.ts'
import { withDatabase, type CommandContext, type Output } from './context.ts'
import { findEntraTenant } from './find-tenant.ts'
import { withGraph } from './graph.ts'
import { number, printable } from './text.ts'

export interface OffboardOptions {
  archive?: string
  purge: boolean
  revoke: boolean
  yes: boolean
}

/**
 * `offboard ID`: says what it would do, with exit code 2; with --yes does it and reports. Exit code 3 when --revoke was asked for and
 * something is left for the customer's admin.
 */
export function offboardCommand(
  context: CommandContext,
  id: string,
  options: OffboardOptions,
): Promise<number> {
  const { output, signal, log, config } = context
  return withDatabase(context, async (db) => {
    const { entraTenantId } = await findEntraTenant(db, id)
    return withGraph(context, db, async (graph) => {
      const preconsent = await openPreconsent(config, db, graph, log)
      const offboarding = {
        db,
        graph,
        log,
        releaseTargets: (families: readonly string[]) =>
          releaseTargets({ db, guard: config.guard, licenseGraceMs: config.licenseGraceMs, log }, families),
        revokeGrants: (id: string, clientId: string, stop: AbortSignal = signal) =>
          revokeGrants(preconsent, id, clientId, stop),
      }
      if (!options.yes) {
        const plan = await planOffboard(db, entraTenantId, options)
        if (options.archive !== undefined) await checkArchiveFile(options.archive)
        const apps = await appsInside(offboarding, entraTenantId)
        tellPlan(output, plan, apps, options)
        output.document({ done: false, plan, apps, ...asked(options) })
        return 2
      }
      const report = await offboard(offboarding, {
        entraTenantId,
        actor: actorOfCommand(),
        archiveFile: options.archive ?? null,
        purge: options.purge,
        revoke: options.revoke,
        signal,
      })
      tellReport(output, report)
      output.document({ done: true, ...report, ...asked(options) })
      return options.revoke && report.grants.some(({ outcome }) => outcome === 'left') ? 3 : 0
    })
  })
}

function asked({ archive, purge, revoke }: OffboardOptions) {
  return { archive: archive ?? null, purge, revoke }
}

function tellPlan(output: Output, plan: OffboardPlan, apps: string[], options: OffboardOptions): void {
  const { counts } = plan
  const say = (text: string): void => output.line(printable(text))
  const before = plan.offboardedAt === null ? '' : `, offboarded on ${day(plan.offboardedAt)}`
  say(
    `${plan.name} (${plan.entraTenantId}), ${plan.kind}${before}. This would be done; nothing has been yet:`,
  )
  say('  Stop: it is never synced again; a sync that runs now writes no more; links for its admin are void.')
  const which = apps.length === 0 ? 'none is known' : apps.join(', ')
  say(
    options.revoke
      ? `  Revoke: what our apps (${which}) may do there, as far as we can.`
      : `  Revoke nothing: our apps (${which}) keep their grants; --revoke takes them away.`,
  )
  if (options.archive !== undefined) say(`  Archive: all that is stored of it, to ${options.archive}.`)
  const stored = `${number(counts.persons)} persons, ${number(counts.groups)} groups, ${number(counts.members)} memberships, ${number(counts.licenses)} licences, ${number(counts.devices)} devices, ${number(counts.skus)} SKUs, ${number(counts.runs)} runs, ${number(counts.openHolds)} open holds, ${number(counts.targets)} targets`
  say(
    options.purge
      ? `  Purge for good: ${stored}, its links, consents and problems.`
      : `  Keep: ${stored}; --purge deletes them.`,
  )
  if (plan.protectedPersons.length > 0) {
    const people = `${plan.protectedPersons.length} persons who can log in to ImmyBot`
    say(`  ${options.purge ? `Among them, deleted too, ${people}:` : `Among them ${people}:`}`)
    for (const name of plan.protectedPersons) say(`    ${name}`)
  }
  if (plan.tenants.length > 0) say(`  ImmyBot tenants stay: ${plan.tenants.join(', ')}.`)
  if (plan.gdapActive) say('  The GDAP relationship is active: end it in Partner Center.')
  say('Say --yes to have it done.')
}

function tellReport(output: Output, report: OffboardReport): void {
  const { plan, stopped, grants, archived, purged, unassigned, left } = report
  const say = (text: string): void => output.line(printable(text))
  say(
    stopped.before
      ? `${plan.name} was offboarded on ${day(stopped.at)}; this went on with it.`
      : `${plan.name} is offboarded.`,
  )
  say(
    `  Stopped: ${stopped.runs} running syncs, ${stopped.requests} requests, ${stopped.preconsents} pre-consents; ${stopped.tickets} links and ${stopped.states} admin consents are void.`,
  )
  for (const { clientId, name, outcome, revoked, why } of grants) {
    const app = name === null ? clientId : `${name} (${clientId})`
    say(
      outcome === 'revoked'
        ? `  Revoked: app ${app}${revoked.length === 0 ? '' : `: ${revoked.join(', ')}`}.`
        : `  Not revoked: app ${app}. ${why ?? 'Not all of it could be taken away.'}`,
    )
  }
  if (archived !== null) say(`  Archived: ${number(sum(archived.rows))} rows in ${archived.file}.`)
  if (purged !== null) {
    const tables = Object.entries(purged).map(([table, count]) => `${table} ${number(count)}`)
    say(`  Purged: ${number(sum(purged))} rows (${tables.join(', ')}).`)
    if (unassigned) say(`  Unassigned: ${number(unassigned)} targets; the change feed tells of each.`)
    for (const name of plan.protectedPersons) say(`    with ${name}, who could log in to ImmyBot`)
  }
  if (left.length > 0) say('Left to do or to know:')
  for (const text of left) say(`  ${text}`)
}

const sum = (rows: Record<string, number>): number => Object.values(rows).reduce((all, one) => all + one, 0)
const day = (at: Date): string => at.toISOString().slice(0, 10)
