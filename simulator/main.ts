import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { startCloud } from './cloud.ts'

const usage = `Usage: node simulator/main.ts [options]

Starts a simulated Microsoft cloud and prints one JSON line when it is ready.

  --seed N          the same seed gives the same tenants and people (1)
  --customers N     GDAP customers beside the partner (25)
  --partners N      partners; the first has the customers, others share some when told to (1)
  --users N         users over all tenants (5000)
  --groups N        groups in every tenant (as many as its size asks for)
  --port N          of login and Graph, https (a free one)
  --control-port N  of the control port, http (a free one)
  --latency MS      that every Graph answer takes at least (0)
  --ca-cert FILE, --ca-key FILE   CA to sign the server's certificate with (a new one)
  --out FILE        write the JSON line there too
  --lifeline        end when stdin ends, so that it never outlives its parent
`

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    customers: { type: 'string', default: '25' },
    partners: { type: 'string' },
    users: { type: 'string', default: '5000' },
    groups: { type: 'string' },
    port: { type: 'string' },
    'control-port': { type: 'string' },
    latency: { type: 'string' },
    'ca-cert': { type: 'string' },
    'ca-key': { type: 'string' },
    out: { type: 'string' },
    lifeline: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

if (values.help) process.stdout.write(usage)
else await run()

async function run(): Promise<void> {
  const cloud = await startCloud({
    ...whole('seed', values.seed),
    ...whole('customers', values.customers),
    ...whole('partners', values.partners),
    ...whole('users', values.users),
    ...whole('groupsPerTenant', values.groups),
    ...whole('port', values.port),
    ...whole('controlPort', values['control-port']),
    ...whole('latencyMs', values.latency),
    ...(values['ca-cert'] !== undefined &&
      values['ca-key'] !== undefined && { ca: { certFile: values['ca-cert'], keyFile: values['ca-key'] } }),
  })
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => (closing ??= cloud.close())
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void close().then(() => process.exit()))
  if (values.lifeline) process.stdin.once('end', () => void close().then(() => process.exit())).resume()

  const { origin, controlUrl, caFile, clientId, clientSecret, certificateFile, partnerTenantId } = cloud
  const line = JSON.stringify({
    origin,
    controlUrl,
    caFile,
    clientId,
    clientSecret,
    certificateFile,
    partnerTenantId,
    partners: cloud.partners.map(({ id }) => id),
    tenants: cloud.tenants.map(({ id, displayName, defaultDomain, userCount }) => {
      return { id, displayName, defaultDomain, users: userCount }
    }),
  })
  if (values.out !== undefined) await writeFile(values.out, `${line}\n`, { mode: 0o600 })
  process.stdout.write(`${line}\n`)
}

function whole<Name extends string>(name: Name, text: string | undefined): Partial<Record<Name, number>> {
  if (text === undefined) return {}
  if (!/^\d+$/.test(text)) throw new Error(`${name} is to be a whole number, not ${JSON.stringify(text)}`)
  return { [name]: Number(text) } as Record<Name, number>
}
