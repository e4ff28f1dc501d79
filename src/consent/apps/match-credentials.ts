import type { RegisteredCredential } from '../../graph/applications.ts'

/** What tells a stored credential from others, beside the secret itself. */
export interface CredentialMark {
  credentialId: string
  kind: 'secret' | 'certificate'
  /** First three characters of a secret; null where it could not be opened. */
  hint: string | null
  /** Of a certificate, upper case hex, SHA-1 and SHA-256 as far as known. */
  thumbprints: readonly string[]
}

export interface CredentialMatch {
  /** null = it can't be told. */
  registered: boolean | null
  /** As the registration tells it; null = not known. */
  endsAt: Date | null
}

const unknown: CredentialMatch = { registered: null, endsAt: null }
const missing: CredentialMatch = { registered: false, endsAt: null }

/**
 * Finds stored credentials in an app registration: certificates by thumbprint, secrets by the three characters that
 * Graph shows of them, or where there is only one of each and Graph shows none.
 */
export function matchCredentials(
  stored: readonly CredentialMark[],
  registered: readonly RegisteredCredential[],
): Map<string, CredentialMatch> {
  return new Map(
    stored.map((mark) => {
      const same = registered.filter(({ kind }) => kind === mark.kind)
      const rivals = stored.filter(({ kind }) => kind === mark.kind)
      return [
        mark.credentialId,
        mark.kind === 'secret' ? ofSecret(mark, same, rivals) : ofCertificate(mark, same),
      ]
    }),
  )
}

function ofCertificate({ thumbprints }: CredentialMark, registered: RegisteredCredential[]): CredentialMatch {
  const found = registered.find(({ thumbprint }) => thumbprint !== null && thumbprints.includes(thumbprint))
  if (found !== undefined) return { registered: true, endsAt: found.endsAt }
  return registered.some(({ thumbprint }) => thumbprint === null) ? unknown : missing
}

function ofSecret(
  { hint }: CredentialMark,
  registered: RegisteredCredential[],
  stored: readonly CredentialMark[],
): CredentialMatch {
  if (registered.length === 0) return missing
  const [only] = registered
  const shownOrKnown = hint !== null && registered.every((each) => each.hint !== null)
  if (!shownOrKnown) {
    const single = registered.length === 1 && stored.length === 1 && only !== undefined
    return single ? { registered: true, endsAt: only.endsAt } : unknown
  }
  const alike = registered.filter((each) => each.hint === hint)
  const [first] = alike
  if (first === undefined) return missing
  const twins = stored.filter((each) => each.hint === hint).length
  if (alike.length === 1 && twins === 1) return { registered: true, endsAt: first.endsAt }
  return alike.length >= twins ? { registered: true, endsAt: null } : unknown
}
