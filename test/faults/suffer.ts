import { until } from '../jobs/support.ts'
import type { Fault } from './fault.ts'
import { judge, watch, type Verdict } from './oracle.ts'
import { settled, whereAllStands } from './settled.ts'
import { type World } from './world.ts'

/** A worker that stands still is made anew after half a minute or so, which is healing too. */
const patienceMs = 200_000

/** Asks for everybody until something is so: what is read once may have been asked too early to meet the fault. */
async function askingUntil(
  world: World,
  mode: 'delta' | 'full',
  what: string,
  probe: () => Promise<boolean>,
): Promise<void> {
  let asked = -Infinity
  await until(
    what,
    async () => {
      if (performance.now() - asked > 2000) {
        asked = performance.now()
        await world.cycle('delta', world.bystanders)
        await world.cycle(mode, [world.victim])
      }
      return probe()
    },
    patienceMs,
  )
}

/**
 * Does faults to the daemon, one or several at once, while life goes on in the cloud: they are told, the others stay
 * fresh, and when they end all heals by itself; then the oracle has its say: `allWell`.
 */
export async function suffer(world: World, ...faults: Fault[]): Promise<Verdict> {
  try {
    return await sufferAndHeal(world, faults)
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error)
    const stands = await whereAllStands(world)
    throw new Error([what, 'Where all stands:', ...stands].join('\n'), { cause: error })
  }
}

async function sufferAndHeal(world: World, faults: readonly Fault[]): Promise<Verdict> {
  const { tap, victim, bystanders, life } = world
  const began = await watch(world)
  const mode = faults.some((fault) => fault.mode === 'full') ? 'full' : 'delta'
  const ended: Promise<void>[] = []
  try {
    life.goOn(faults.some(({ quiet }) => quiet === true) ? bystanders : undefined)
    for (const fault of faults.toSorted((one, other) => Number(!one.first) - Number(!other.first)))
      await fault.inject(world)
    // Of several at once one may hide the other.
    const isTold = (): boolean =>
      faults.length === 1
        ? faults.every(({ tells }) => tells === null || tap.told(began.line, tells).length > 0)
        : faults.some(({ tells }) => tells !== null && tap.told(began.line, tells).length > 0)
    const isQuiet = faults.every(({ tells }) => tells === null)
    // What fails where something is written has nothing to fail at where nobody comes and goes.
    const mayMeetNothing = isQuiet || (faults.length > 1 && faults.some(({ quiet }) => quiet === true))
    const injected = await world.databaseNow()
    await askingUntil(
      world,
      mode,
      `${faults.map(({ name }) => name).join(' with ')} to be told`,
      async () => (!isQuiet && isTold()) || (mayMeetNothing && (await world.freshness(victim)) > injected),
    )
    if (faults.every(({ reach }) => reach === 'victim')) {
      await askingUntil(world, mode, 'the others to stay fresh', async () => {
        const fresh = await Promise.all(bystanders.map((tenant) => world.freshness(tenant)))
        return fresh.every((at) => at > injected)
      })
    }
    for (const { problem } of faults) {
      if (problem !== undefined && faults.length === 1)
        await askingUntil(world, mode, `the problem ${problem}`, async () =>
          (await world.openProblems()).some(({ code }) => code === problem),
        )
    }
    if (faults.length === 1) await faults[0]?.expect?.(world)
  } finally {
    for (const fault of faults) ended.push(Promise.resolve(fault.end(world)))
    await Promise.all(ended)
  }
  await settled(world, mode)
  return judge(world, began)
}
