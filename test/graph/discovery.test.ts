import { afterEach, describe, expect, it } from 'vitest'
import { createGraph } from '../../src/graph/graph.ts'
import { refuseOtherCloud, tenantIdOf } from '../../src/graph/discovery.ts'
import { defaultTimings } from '../../src/graph/timings.ts'
import { createLog } from '../../src/log.ts'
import { knownClouds } from '../../src/config/clouds.ts'
import { caught, thrown } from './caught.ts'
import { tenant } from './fake-cloud.ts'
import { closeServers, tlsServer } from './tls-server.ts'

afterEach(closeServers)

async function loginOf(status: number, body: unknown) {
  const asked: string[] = []
  const { origin } = await tlsServer((request, response) => {
    asked.push(request.url ?? '')
    response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body))
  })
  const graph = createGraph({
    cloud: { loginUrl: origin, graphUrl: origin },
    appFor: () => Promise.reject(new Error('Discovery needs no app.')),
    log: createLog({ level: 'fatal', pretty: false }),
  })
  return { graph, asked, origin }
}

const metadata = {
  issuer: `https://login.microsoftonline.com/${tenant.toUpperCase()}/v2.0`,
  token_endpoint: `https://login.microsoftonline.com/${tenant}/oauth2/v2.0/token`,
  msgraph_host: 'graph.microsoft.com',
}

describe('tenantIdOf', () => {
  it.each(['contoso.example', 'Contoso.OnMicrosoft.com', 'xn--bcher-kva.example', tenant])(
    'finds %s',
    async (name) => {
      const { graph, asked } = await loginOf(200, metadata)
      expect(await graph.tenantIdOf(` ${name} `)).toBe(tenant)
      expect(asked).toEqual([`/${name}/v2.0/.well-known/openid-configuration`])
    },
  )

  it.each([
    '',
    'contoso',
    'a b.example',
    '../common',
    'contoso.example/x',
    'contoso.example?x',
    '.example',
    `${tenant}0`,
    'x'.repeat(300) + '.example',
  ])('asks nobody about %j', async (name) => {
    const { graph, asked } = await loginOf(200, metadata)
    expect(await caught(graph.tenantIdOf(name))).toMatchObject({ kind: 'input', code: 'tenant_id_invalid' })
    expect(asked).toEqual([])
  })

  it.each([
    [400, { error: 'invalid_tenant', error_codes: [90002] }, 'input', 'tenant_not_found'],
    [400, { error: 'invalid_request', error_codes: [900382] }, 'input', 'tenant_in_other_cloud'],
    [404, '', 'input', 'tenant_not_found'],
    [503, '<html>', 'transient', 'login_transient'],
    [429, '', 'throttled', 'login_throttled'],
    [200, '<html>', 'malformed', 'oidc_malformed'],
    [
      200,
      { ...metadata, issuer: 'https://login.microsoftonline.com/common/v2.0' },
      'malformed',
      'oidc_malformed',
    ],
  ])('%i %j is %s %s', async (status, body, kind, code) => {
    const { graph } = await loginOf(status, body)
    const error = await caught(graph.tenantIdOf('contoso.example'))
    expect(error).toMatchObject({ kind, code })
    expect(error.remedy).toBeTruthy()
  })

  it('is stopped by its signal', async () => {
    const { origin } = await loginOf(200, metadata)
    const signal = AbortSignal.abort()
    expect(
      await caught(tenantIdOf({ loginUrl: origin, graphUrl: origin }, defaultTimings, tenant, signal)),
    ).toMatchObject({ kind: 'aborted' })
  })

  it('refuses a tenant whose Graph is that of another cloud, except in a private one', () => {
    const { global, usgovdod } = knownClouds
    expect(thrown(() => refuseOtherCloud(global, 'x.example', 'graph.microsoft.us'))).toMatchObject({
      kind: 'input',
      code: 'tenant_in_other_cloud',
    })
    expect(thrown(() => refuseOtherCloud(usgovdod, 'x.example', 'graph.microsoft.com'))).toMatchObject({
      code: 'tenant_in_other_cloud',
    })
    refuseOtherCloud(global, 'x.example', 'Graph.Microsoft.com')
    refuseOtherCloud(global, 'x.example', undefined)
    refuseOtherCloud(usgovdod, 'x.example', 'graph.microsoft.us')
    refuseOtherCloud(
      { loginUrl: 'https://localhost:1', graphUrl: 'https://localhost:1' },
      'x.example',
      'graph.microsoft.com',
    )
  })
})
