import type { World } from './world.ts'

/** One of the sixty, or a kind of one of them, as it is done to a running daemon. */
export interface Fault {
  /** Of docs/reliability.md. */
  number: number
  name: string
  /**
   * What a line of the log of level warn or above must say of it. null = nobody needs to know: the victim stays as fresh
   * as the others, while the fault lasts.
   */
  tells: RegExp | null
  /** Who is stale while it lasts: the victim, or everybody, since what all of them need is away. */
  reach: 'victim' | 'all'
  /** How the victim is read meanwhile, and afterwards. Default delta. */
  mode?: 'delta' | 'full'
  /** Nobody leaves the victim meanwhile: what goes with what is held would stay held with it. */
  quiet?: boolean
  /** Not beside others: what they add would make right what is to be held here. */
  alone?: boolean
  /** Injected before others, which may take away what it needs for that. */
  first?: boolean
  /** Code of the problem that stands open while it lasts. */
  problem?: string
  inject(world: World): Promise<void> | void
  /** Ends it, and nothing more: healing is the daemon's. */
  end(world: World): Promise<void> | void
  /** What else must be so while it lasts, or after it was told. */
  expect?(world: World): Promise<void>
}

/** A fault of the cloud's answers to the victim: gone with all others of the cloud. */
export function cloudFault(
  fault: Omit<Fault, 'reach' | 'inject' | 'end'> & {
    effect: Parameters<World['cloud']['faults']['add']>[0]['effect']
    path: string
    after?: number
    times?: number
  },
): Fault {
  const { effect, path, after, times, ...rest } = fault
  let id = 0
  return {
    reach: 'victim',
    ...rest,
    inject({ cloud, victim }) {
      id = cloud.faults.add({
        tenantId: victim.id,
        path,
        effect,
        ...(after !== undefined && { after }),
        ...(times !== undefined && { times }),
      })
    },
    end: ({ cloud }) => cloud.faults.remove(id),
  }
}

type Knobs = Parameters<World['cloud']['faults']['knobs']>[1]

/** A knob of the victim's delta, and how it stands when all is well. */
export function knobFault(
  fault: Omit<Fault, 'reach' | 'inject' | 'end'> & { knobs: Knobs; well: Knobs },
): Fault {
  const { knobs, well, ...rest } = fault
  return {
    reach: 'victim',
    ...rest,
    inject: ({ cloud, victim }) => cloud.faults.knobs(victim.id, knobs),
    end: ({ cloud, victim }) => cloud.faults.knobs(victim.id, well),
  }
}
