import { openDatabase } from '../db/connection.ts'
import { assertSchema } from '../db/migrate.ts'
import { withDatabaseUrl, type CommandContext } from './context.ts'
import { checkConfiguration } from './doctor/configuration.ts'
import { checkConsent, checkPreconsent } from './doctor/consent.ts'
import { checkCredentials } from './doctor/credentials.ts'
import { checkDatabase } from './doctor/database.ts'
import { ok, type DoctorContext, type Finding } from './doctor/finding.ts'
import { checkQueue } from './doctor/queue.ts'
import { checkSignIns } from './doctor/sign-in.ts'
import { checkFreshness, checkHolds, checkProblems } from './doctor/state.ts'
import { checkTargets } from './doctor/targets.ts'
import { checkCustomers, checkGdap, checkLinks } from './doctor/tenants.ts'
import { explainFailure } from './failure.ts'
import { printable } from './text.ts'

/** Checks of a database with the right schema, in the order in which one follows from the other. */
const families: readonly (readonly [string, (context: DoctorContext) => Promise<Finding[]>])[] = [
  ['secrets', ({ config, db }) => checkCredentials(config, db)],
  ['sign-in', checkSignIns],
  ['customers', checkCustomers],
  ['GDAP', checkGdap],
  ['consent', checkConsent],
  ['partner sign-ins', checkPreconsent],
  ['links', checkLinks],
  ['problems', checkProblems],
  ['holds', checkHolds],
  ['targets', checkTargets],
  ['freshness', checkFreshness],
]

/**
 * `doctor`: the state of the whole set-up on one screen, each thing that is not right with its remedy below. Exit code
 * 1 when something fails, see Verdict.
 */
export async function doctor(context: CommandContext): Promise<number> {
  const { output } = context
  const findings: Finding[] = []
  const tell = (finding: Finding): void => {
    findings.push(finding)
    output.line(`${finding.verdict.padEnd(4)}  ${printable(finding.check)}: ${printable(finding.detail)}`)
    if (finding.remedy !== undefined) output.line(`      ${printable(finding.remedy)}`)
  }
  const attempt = async (check: string, run: () => Promise<Finding[] | void>): Promise<boolean> => {
    try {
      for (const finding of (await run()) ?? []) tell(finding)
      return true
    } catch (error) {
      const { message, remedy } = explainFailure(error).document
      tell({ check, verdict: 'fail', detail: message, ...(remedy !== undefined && { remedy }) })
      return false
    }
  }

  for (const finding of checkConfiguration(context)) tell(finding)
  await attempt('database', () =>
    withDatabaseUrl(context, async (url) => {
      const db = openDatabase(url, { max: 2, applicationName: 'entra-sync doctor' })
      try {
        const reached = await attempt('database', () =>
          checkDatabase(db, context.config.databaseUrl === null),
        )
        await attempt('queue', () => checkQueue(context, url))
        if (!reached) return
        const current = await attempt('schema', async () => {
          await assertSchema(db)
          return [ok('schema', 'the one this version knows')]
        })
        if (!current) return
        for (const [check, run] of families) await attempt(check, () => run({ ...context, db }))
      } finally {
        await db.destroy()
      }
    }),
  )
  const failed = findings.some(({ verdict }) => verdict === 'fail')
  output.line(summary(findings))
  output.document({ ok: !failed, findings })
  return failed ? 1 : 0
}

/** The last line, which is the first that is read. */
function summary(findings: Finding[]): string {
  const checks = (verdict: Finding['verdict']): string =>
    [...new Set(findings.filter((one) => one.verdict === verdict).map(({ check }) => printable(check)))].join(
      ', ',
    )
  const parts = [
    checks('fail') && `Does not work: ${checks('fail')}.`,
    checks('warn') && `To look at: ${checks('warn')}.`,
  ].filter(Boolean)
  return `\n${parts.length === 0 ? 'All is well.' : parts.join(' ')}`
}
