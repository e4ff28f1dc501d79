import { Redis } from 'ioredis'

/** Redis' `maxmemory-policy`. BullMQ is correct with `noeviction` only: any other may drop parts of a job. */
export async function readEvictionPolicy(queueUrl: string): Promise<string> {
  const client = new Redis(queueUrl, {
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  })
  // The connection's failure is told by connect(); without a listener ioredis prints it to the console as well.
  client.on('error', () => undefined)
  try {
    await client.connect()
    return /maxmemory_policy:(\S+)/.exec(await client.info('memory'))?.[1] ?? 'unknown'
  } finally {
    client.disconnect()
  }
}
