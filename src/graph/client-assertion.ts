import { constants, createHash, randomUUID, sign, X509Certificate } from 'node:crypto'
import type { AppCredential } from './tokens.ts'

/** As long as clocks may differ and a request may take; Microsoft advises 5 to 10 minutes. */
const lifetimeSeconds = 300

/**
 * The fields of a token request that prove us to be the app: its secret, or an assertion signed with its certificate
 * (RFC 7523). The audience names the tenant, so each authority needs one of its own.
 * @see https://learn.microsoft.com/entra/identity-platform/certificate-credentials
 */
export function clientProof(credential: AppCredential, tokenUrl: string): Record<string, string> {
  if ('secret' in credential) return { client_secret: credential.secret }
  const { privateKeyPem, certificatePem } = credential.certificate
  const thumbprint = createHash('sha256').update(new X509Certificate(certificatePem).raw).digest('base64url')
  const now = Math.floor(Date.now() / 1000)
  const claims = {
    aud: tokenUrl,
    iss: credential.clientId,
    sub: credential.clientId,
    jti: randomUUID(),
    nbf: now,
    iat: now,
    exp: now + lifetimeSeconds,
  }
  const text = `${encode({ alg: 'PS256', typ: 'JWT', 'x5t#S256': thumbprint })}.${encode(claims)}`
  const signature = sign('sha256', Buffer.from(text), {
    key: privateKeyPem,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
  })
  return {
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: `${text}.${signature.toString('base64url')}`,
  }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
