import { withQueues, type CommandContext } from '../context.ts'
import { readEvictionPolicy } from '../redis-eviction.ts'
import { fail, ok, warn, type Finding } from './finding.ts'

/** What `doctor` says of the queue and of the workers at it. Throws where it does not answer. */
export async function checkQueue(context: CommandContext, databaseUrl: string): Promise<Finding[]> {
  return withQueues(context, databaseUrl, async (queues) => {
    await queues.ping()
    const found = [
      ok('queue', `BullMQ on ${queues.backend === 'redis' ? 'Redis' : 'Postgres'} at ${queues.address}`),
    ]
    if (queues.backend === 'redis') found.push(await eviction(context))
    const workers = await queues.sync.getWorkersCount()
    found.push(
      workers > 0
        ? ok('workers', `${workers} connected`)
        : warn('workers', 'none is connected, so nothing is synced', 'Start the daemon: entra-sync run.'),
    )
    return found
  })
}

async function eviction({ config }: CommandContext): Promise<Finding> {
  const policy = await readEvictionPolicy(config.queueUrl ?? '')
  if (policy === 'noeviction') return ok('eviction', 'Redis keeps every key')
  return fail(
    'eviction',
    `Redis may drop jobs when memory is short: maxmemory-policy is ${policy}`,
    'Set maxmemory-policy noeviction in redis.conf.',
  )
}
