import { deviceSignIn } from '../consent/preconsent/sign-in.ts'
import { listSignIns, signOut, type SignIn } from '../consent/preconsent/sign-ins.ts'
import { EntraSyncError } from '../errors.ts'
import { actorOfCommand } from './actor.ts'
import { withDatabase, type CommandContext } from './context.ts'
import { findPartner } from './find-partner.ts'
import { withPreconsent } from './preconsent-context.ts'
import { recordLines } from './records.ts'
import { printable } from './text.ts'

/** `partner sign-in`: shows a code to be entered in any browser, and waits until it was. */
export function partnerSignIn(context: CommandContext, partner: string | undefined): Promise<number> {
  const { output, signal } = context
  return withDatabase(context, async (db) => {
    const { entraTenantId, name } = await findPartner(db, partner)
    return withPreconsent(context, db, async (preconsent) => {
      const request = { partnerEntraTenantId: entraTenantId, actor: actorOfCommand(), signal }
      // On stderr: with --json, too, somebody has to see it while it is waited for.
      const user = await deviceSignIn(preconsent, request, ({ userCode, verificationUri, expiresAt }) => {
        const until = new Date(expiresAt).toISOString().slice(11, 16)
        output.notice(`Open ${printable(verificationUri)} in a browser and enter ${printable(userCode)}.`)
        output.notice(
          `Sign in as a user of ${name} who is in AdminAgents, with a second factor, before ${until} UTC.`,
        )
      })
      output.line(`${printable(user.userName)} has signed in for ${name}.`)
      output.line('Next: entra-sync preconsent --all --preflight tells what is still missing.')
      output.document({ partnerEntraTenantId: entraTenantId, ...user })
      return 0
    })
  })
}

/** `partner sign-ins` */
export function partnerSignIns(context: CommandContext): Promise<number> {
  const { output } = context
  return withDatabase(context, async (db) => {
    const signIns = await listSignIns(db)
    if (signIns.length === 0)
      output.line('No partner user has signed in. `entra-sync partner sign-in` does it.')
    else for (const line of signInLines(signIns, output.width)) output.line(line)
    output.document({ signIns })
    return 0
  })
}

function signInLines(signIns: SignIn[], width: number | null): string[] {
  const at = (date: Date | null): string => date?.toISOString().slice(0, 16).replace('T', ' ') ?? 'never'
  return recordLines<SignIn>(
    [
      { title: 'User', value: ({ userName }) => userName },
      { title: 'Partner', value: ({ partnerName }) => partnerName },
      { title: 'App', value: ({ clientId }) => clientId },
      { title: 'Signed in', value: ({ obtainedAt }) => at(obtainedAt) },
      { title: 'Refreshed', value: ({ refreshedAt }) => at(refreshedAt) },
      { title: 'Used', value: ({ lastUsedAt }) => at(lastUsedAt) },
      {
        title: 'State',
        value: ({ refusedAt, refusedCode }) =>
          refusedAt === null ? 'good' : `ended ${at(refusedAt)}: ${refusedCode ?? 'refused'}; sign in again`,
      },
    ],
    signIns,
    width,
  )
}

/** `partner sign-out`: forgets the stored sign-in of one user, or of all. */
export function partnerSignOut(
  context: CommandContext,
  partner: string | undefined,
  user: string | undefined,
): Promise<number> {
  const { output } = context
  return withDatabase(context, async (db) => {
    const { entraTenantId, name } = await findPartner(db, partner)
    const gone = await signOut(db, {
      partnerEntraTenantId: entraTenantId,
      user: user ?? null,
      actor: actorOfCommand(),
    })
    if (gone.length === 0) {
      const whom = user === undefined ? 'Nobody' : `No user "${printable(user)}"`
      throw new EntraSyncError('input', `${whom} has signed in for ${name}.`, {
        code: 'sign_in_unknown',
        remedy: 'entra-sync partner sign-ins lists who has.',
      })
    }
    for (const { userName } of gone) output.line(`${printable(userName)} is signed out for ${name}.`)
    output.line(
      'The stored token is deleted. To end it at Microsoft too: Entra admin center > Users > the user > Revoke sessions.',
    )
    output.document({ signedOut: gone.map(({ userObjectId, userName }) => ({ userObjectId, userName })) })
    return 0
  })
}
