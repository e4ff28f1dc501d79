import { expect, test } from 'vitest'
import { jsonText } from '../../src/cli/output.ts'
import { createProgressBar } from '../../src/cli/progress-bar.ts'

const hostile = 'Eve\u001b[2J\u009b2J\u0085\r\n\u202egnp.exe\u2066'

test('JSON for a terminal is the same document, without a control or a turn of direction in it', () => {
  const text = jsonText({ [hostile]: [hostile, 'Zoë 🙂'] })
  expect(JSON.parse(text)).toEqual({ [hostile]: [hostile, 'Zoë 🙂'] })
  expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u)
  expect(text).toContain('Zoë 🙂')
})

test('nor is one in what stands above or in a progress bar', () => {
  const written: string[] = []
  const bar = createProgressBar({ isTTY: false, write: (text) => written.push(text) })
  bar.line(hostile)
  const live = createProgressBar({
    isTTY: true,
    columns: 80,
    write: (text) => written.push(text.replace('\r\u001b[2K', '')),
  })
  live.show(0.5, hostile)
  expect(written).toHaveLength(2)
  for (const text of written) expect(text.trimEnd()).not.toMatch(/[\p{Cc}\u202e\u2066]/u)
})
