import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { createAuthority, createServerCertificate } from '../../simulator/certificates.ts'

const authority = createAuthority('graph test CA')
const servers = new Set<Server>()

export type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => unknown

/** An https server on a free port of 127.0.0.1 whose CA this process trusts; closed by `closeServers`. */
export async function tlsServer(handler: Handler): Promise<{ origin: string; server: Server }> {
  const ca = await authority
  const trusted = getCACertificates('default')
  if (!trusted.includes(ca.certificatePem)) setDefaultCACertificates([...trusted, ca.certificatePem])
  const { privateKeyPem, certificatePem } = await createServerCertificate(ca)
  const server = createServer({ key: privateKeyPem, cert: certificatePem }, (request, response) => {
    let body = ''
    request.setEncoding('utf8')
    request.on('data', (chunk: string) => (body += chunk))
    request.on('end', () => handler(request, response, body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  servers.add(server)
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The server has no port.')
  return { origin: `https://localhost:${address.port}`, server }
}

export async function closeServers(): Promise<void> {
  for (const server of servers) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  servers.clear()
}
