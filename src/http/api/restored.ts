import { z } from 'zod'
import { restoredBy } from '../../restore/restored.ts'
import { route } from './route.ts'

const count = z.number().int()

export const restoredRoutes = [
  route({
    method: 'post',
    path: '/restored',
    operationId: 'tellRestored',
    summary:
      'Tell that the database was restored from a backup: everything is read whole before anything is removed',
    tag: 'Backup',
    response: z.object({
      entraTenants: count.meta({ description: 'whose targets are frozen until they were read whole' }),
      holds: count.meta({ description: 'open holds of removals that are void now' }),
      feedSeq: count.meta({ description: 'where the change feed goes on; its readers take a snapshot' }),
    }),
    run: ({ db }, { signedIn }) => restoredBy(db, signedIn.name),
  }),
]
