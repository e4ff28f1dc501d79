import { startEmbeddedPostgres } from '../../src/db/embedded-postgres.ts'

// A process that starts (or finds) the embedded Postgres of a folder, says so, and stays until it is killed.
const [dataDir = '', mode] = process.argv.slice(2)
const server = await startEmbeddedPostgres({ dataDir, ephemeral: mode === 'ephemeral' })
process.stdout.write(`${JSON.stringify({ url: server.url, owned: server.owned })}\n`)
process.stdin.on('end', () => void server.stop().then(() => process.exit(0))).resume()
