/** For `--import` into a child process: its parent puts its clock, while it runs, by a message. */
import { putClock } from './clock.ts'

process.on('message', (word: unknown) => {
  if (typeof word !== 'object' || word === null || !('putClock' in word)) return
  putClock(Number(word.putClock))
  process.send?.({ clockPut: word.putClock })
})
