import { createPrivateKey, X509Certificate } from 'node:crypto'

export interface AppCertificate {
  privateKeyPem: string
  certificatePem: string
}

/** The expressions below look on from every BEGIN: a megabyte of them stopped the console for tens of seconds. */
const largestPem = 64 * 1024

/**
 * Splits a PEM file with a private key and its certificate, as `cat key.pem certificate.pem` makes it; `wrong` says
 * what is missing or does not fit and what to do, without any of the contents.
 */
export function readAppCertificate(pem: string): { certificate: AppCertificate } | { wrong: string } {
  if (pem.length > largestPem) return { wrong: 'is too long for a key and its certificate.' }
  const privateKeyPem = /-----BEGIN ([A-Z ]*)PRIVATE KEY-----[\s\S]+?-----END \1PRIVATE KEY-----/.exec(
    pem,
  )?.[0]
  const certificatePem = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/.exec(pem)?.[0]
  if (!privateKeyPem) return { wrong: 'holds no private key. Put key and certificate into one PEM file.' }
  if (!certificatePem) return { wrong: 'holds no certificate. Put key and certificate into one PEM file.' }
  try {
    const certificate = new X509Certificate(certificatePem)
    const key = createPrivateKey(privateKeyPem)
    if (key.asymmetricKeyType !== 'rsa')
      return { wrong: 'holds a key that is not RSA. Entra takes RSA keys only.' }
    if (!certificate.checkPrivateKey(key))
      return { wrong: "holds a key that is not its certificate's. Pair them again." }
    if (certificate.validToDate < new Date()) {
      return {
        wrong: `holds a certificate that ended ${certificate.validTo}. Register a new one with the app.`,
      }
    }
  } catch {
    return {
      wrong:
        'holds a key or certificate that is no valid, unencrypted PEM. Export it again without a passphrase.',
    }
  }
  return { certificate: { privateKeyPem, certificatePem } }
}
