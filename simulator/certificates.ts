import {
  createHash,
  createPrivateKey,
  generateKeyPair,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { promisify } from 'node:util'

// X.509 v3 by hand (RFC 5280): three kinds of certificate need no library, and the demo none of the dev dependencies.

const newKeyPair = promisify(generateKeyPair)

/** A certificate authority that lives as long as its files. */
export interface Authority {
  certificatePem: string
  key: KeyObject
  /** Subject key identifier, which the certificates it signs repeat. */
  keyId: Buffer
}

/** PEM texts of a certificate and its private key (PKCS#8). */
export interface KeyAndCertificate {
  certificatePem: string
  privateKeyPem: string
}

/** Makes a new authority: EC P-256, valid for a year from yesterday. */
export async function createAuthority(
  name = 'Simulated Microsoft cloud CA',
): Promise<Authority & KeyAndCertificate> {
  const { publicKey, privateKey } = await newKeyPair('ec', { namedCurve: 'P-256' })
  const keyId = keyIdOf(publicKey)
  const certificatePem = certificate({
    subject: name,
    issuer: name,
    publicKey,
    signer: privateKey,
    extensions: [
      extension('2.5.29.19', true, sequence(boolean(true))),
      extension('2.5.29.15', true, tlv(0x03, Buffer.from([0x01, 0x06]))), // keyCertSign, cRLSign
      extension('2.5.29.14', false, octets(keyId)),
    ],
  })
  return { certificatePem, key: privateKey, keyId, privateKeyPem: pem(privateKey) }
}

/** Reads an authority back from PEM texts. */
export function authorityFrom(texts: KeyAndCertificate): Authority {
  const publicKey = new X509Certificate(texts.certificatePem).publicKey
  return {
    certificatePem: texts.certificatePem,
    key: createPrivateKey(texts.privateKeyPem),
    keyId: keyIdOf(publicKey),
  }
}

/** A TLS server certificate for `localhost`, 127.0.0.1 and ::1. */
export async function createServerCertificate(authority: Authority): Promise<KeyAndCertificate> {
  const { publicKey, privateKey } = await newKeyPair('ec', { namedCurve: 'P-256' })
  const names = sequence(
    tlv(0x82, Buffer.from('localhost')),
    tlv(0x87, Buffer.from([127, 0, 0, 1])),
    tlv(0x87, Buffer.concat([Buffer.alloc(15), Buffer.from([1])])),
  )
  const certificatePem = certificate({
    subject: 'localhost',
    issuer: commonName(authority.certificatePem),
    publicKey,
    signer: authority.key,
    extensions: [
      extension('2.5.29.19', true, sequence()),
      extension('2.5.29.15', true, tlv(0x03, Buffer.from([0x07, 0x80]))), // digitalSignature
      extension('2.5.29.37', false, sequence(oid('1.3.6.1.5.5.7.3.1'))), // serverAuth
      extension('2.5.29.17', false, names),
      extension('2.5.29.14', false, octets(keyIdOf(publicKey))),
      extension('2.5.29.35', false, sequence(tlv(0x80, authority.keyId))),
    ],
  })
  return { certificatePem, privateKeyPem: pem(privateKey) }
}

/**
 * A self-signed RSA certificate as one registers it with an app; Entra takes no other key type for PS256. It is valid
 * for that many days from now; less than none make one that has ended.
 */
export async function createAppCertificate(name: string, days = 365): Promise<KeyAndCertificate> {
  const { publicKey, privateKey } = await newKeyPair('rsa', { modulusLength: 2048 })
  const certificatePem = certificate({
    subject: name,
    issuer: name,
    publicKey,
    signer: privateKey,
    extensions: [extension('2.5.29.19', true, sequence())],
    days,
  })
  return { certificatePem, privateKeyPem: pem(privateKey) }
}

interface CertificateFields {
  subject: string
  issuer: string
  publicKey: KeyObject
  signer: KeyObject
  extensions: Buffer[]
  days?: number
}

function certificate(fields: CertificateFields): string {
  const algorithm =
    fields.signer.asymmetricKeyType === 'rsa'
      ? sequence(oid('1.2.840.113549.1.1.11'), tlv(0x05, Buffer.alloc(0)))
      : sequence(oid('1.2.840.10045.4.3.2'))
  const day = 86_400_000
  const endsAt = Date.now() + (fields.days ?? 365) * day
  const body = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, Buffer.concat([Buffer.from([0x4a]), randomBytes(15)])),
    algorithm,
    distinguishedName(fields.issuer),
    sequence(time(Math.min(Date.now(), endsAt) - day), time(endsAt)),
    distinguishedName(fields.subject),
    fields.publicKey.export({ type: 'spki', format: 'der' }),
    tlv(0xa3, sequence(...fields.extensions)),
  )
  const signature = sign('sha256', body, fields.signer)
  const der = sequence(body, algorithm, tlv(0x03, Buffer.concat([Buffer.from([0]), signature])))
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

function commonName(certificatePem: string): string {
  const subject = new X509Certificate(certificatePem).subject
  const name = /^CN=(.*)$/m.exec(subject)?.[1]
  if (name === undefined || subject.includes('\n')) {
    throw new Error(`The CA's subject must be a common name alone, not ${JSON.stringify(subject)}`)
  }
  return name
}

function keyIdOf(publicKey: KeyObject): Buffer {
  return createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest()
}

function pem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}

function tlv(tag: number, content: Buffer): Buffer {
  const { length } = content
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content])
  if (length < 0x100) return Buffer.concat([Buffer.from([tag, 0x81, length]), content])
  return Buffer.concat([Buffer.from([tag, 0x82, length >> 8, length & 0xff]), content])
}

const sequence = (...parts: Buffer[]): Buffer => tlv(0x30, Buffer.concat(parts))
const octets = (content: Buffer): Buffer => tlv(0x04, content)
const boolean = (value: boolean): Buffer => tlv(0x01, Buffer.from([value ? 0xff : 0]))

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes = [first * 40 + second]
  for (const arc of rest) {
    const digits = [arc & 0x7f]
    for (let left = arc >>> 7; left > 0; left >>>= 7) digits.unshift((left & 0x7f) | 0x80)
    bytes.push(...digits)
  }
  return tlv(0x06, Buffer.from(bytes))
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return critical ? sequence(oid(id), boolean(true), octets(value)) : sequence(oid(id), octets(value))
}

function distinguishedName(name: string): Buffer {
  return sequence(tlv(0x31, sequence(oid('2.5.4.3'), tlv(0x0c, Buffer.from(name)))))
}

function time(at: number): Buffer {
  const digits = new Date(at).toISOString().replace(/[-:T]|\.\d+/g, '')
  return tlv(0x17, Buffer.from(digits.slice(2)))
}
