/** Runs one pass in a process of its own, so that its peak memory is its own, and prints the figures as JSON. */
import { baselineSync, type BaselineTarget } from './baseline.ts'
import { engineSync } from './engine.ts'

const passes = { 'entra-sync': engineSync, baseline: baselineSync }

const name = process.argv[2] as keyof typeof passes
const target = JSON.parse(process.env.BENCH_TARGET ?? '') as BaselineTarget
const started = performance.now()
await passes[name](target)
const seconds = (performance.now() - started) / 1000
process.stdout.write(`${JSON.stringify({ seconds, megabytes: process.resourceUsage().maxRSS / 1024 })}\n`)
