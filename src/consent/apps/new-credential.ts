import { X509Certificate } from 'node:crypto'
import { readAppCertificate } from '../../config/app-certificate.ts'
import { EntraSyncError } from '../../errors.ts'

/** A credential as an operator gives it, checked; `text` is the secret or the PEM of key and certificate. */
export interface NewCredential {
  kind: 'secret' | 'certificate'
  text: string
  thumbprint: string | null
  expiresAt: Date | null
}

/**
 * A client secret with the end that the portal showed, null where it was not told.
 * @throws kind `input`, without any of the text
 */
export function secretCredential(contents: string, expiresAt: Date | null): NewCredential {
  const text = contents.replace(/^\uFEFF/, '').trim()
  if (text === '') throw wrong('The file of the client secret is empty.', "Put the secret's value into it.")
  if (/[\r\n]/.test(text)) {
    throw wrong('The file of the client secret has several lines.', "Put the secret's value into it alone.")
  }
  // The portal shows both side by side, and the id stays readable while the value is shown once.
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) {
    throw wrong(
      'The file holds a GUID: that is the ID of a client secret, not its value.',
      'Put the value into it, which the portal shows once, when the secret is made.',
    )
  }
  if (expiresAt !== null && expiresAt <= new Date()) {
    throw wrong('--expires is in the past.', 'Make a new client secret, or correct the date.')
  }
  return { kind: 'secret', text, thumbprint: null, expiresAt }
}

/** A private key with its certificate in one PEM file; it expires when the certificate does. @throws kind `input` */
export function certificateCredential(contents: string): NewCredential {
  const read = readAppCertificate(contents)
  if ('wrong' in read) throw wrong(`The certificate file ${read.wrong}`, 'Nothing was stored.')
  const { privateKeyPem, certificatePem } = read.certificate
  const certificate = new X509Certificate(certificatePem)
  return {
    kind: 'certificate',
    text: `${privateKeyPem}\n${certificatePem}\n`,
    thumbprint: certificate.fingerprint256.replaceAll(':', ''),
    expiresAt: certificate.validToDate,
  }
}

function wrong(message: string, remedy: string): EntraSyncError {
  return new EntraSyncError('input', message, { code: 'credential_invalid', remedy })
}
