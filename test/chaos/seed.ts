import { randomInt } from 'node:crypto'

const wanted = process.env['CHAOS_SEED']

/** The seed of this run: another one each time, told at its start; CHAOS_SEED replays one. */
export const chaosSeed = wanted === undefined ? randomInt(1, 1_000_000) : Number(wanted)

/** Share of the whole that is done: 1, or CHAOS_SHARE for a shorter look. */
export const chaosShare = Number(process.env['CHAOS_SHARE'] ?? 1)

/** How to run the same again. */
export const replay = (seed: number): string => `CHAOS_SEED=${seed} npm run test:chaos`
