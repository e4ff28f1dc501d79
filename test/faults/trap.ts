import { readFile } from 'node:fs/promises'
import { authorityFrom, createServerCertificate } from '../../simulator/certificates.ts'
import { serveTls } from '../../simulator/server.ts'
import { testCa } from '../harness/ca.ts'

/** A host that nobody must ever ask. Its certificate is trusted, so that a token that leaks does arrive. */
export interface Trap {
  origin: string
  /** What arrived: method and path, and whether a token came along. */
  caught: string[]
  close(): Promise<void>
}

export async function setTrap(): Promise<Trap> {
  const { certFile, keyFile } = testCa()
  const authority = authorityFrom({
    certificatePem: await readFile(certFile, 'utf8'),
    privateKeyPem: await readFile(keyFile, 'utf8'),
  })
  const caught: string[] = []
  const server = await serveTls(0, await createServerCertificate(authority), async (request) => {
    const token = request.headers['authorization'] === undefined ? '' : ' with a token'
    caught.push(`${request.method} ${request.path}${token}`)
    return { response: { status: 200, headers: {}, body: { value: [] } }, effect: null, latencyMs: 0 }
  })
  return { origin: `https://localhost:${server.port}`, caught, close: () => server.close() }
}
