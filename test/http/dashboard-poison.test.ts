import { UnrecoverableError, Worker, type Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { expect, onTestFinished, test } from 'vitest'
import { openBrowser } from '../harness/browser.ts'
import { redisUrl } from '../harness/redis.ts'
import { operatorToken, startTestHttp } from './start.ts'

const markup = '<img src=x onerror="document.title=`poisoned`;alert(1)"><style>*{display:none}</style>'
const data = {
  [markup]: markup,
  link: 'javascript:alert(1)',
  escapes: `\u001b]8;;https://evil.example\u0007${markup}`,
}

/** A job that ended well, one that failed and one that waits; markup wherever a job has a text. */
async function addPoison(queue: Queue, prefix: string): Promise<string[]> {
  const connection = new Redis(redisUrl(), { maxRetriesPerRequest: null })
  onTestFinished(() => connection.disconnect())
  for (const jobId of ['ends-well', 'fails', 'waits']) {
    const delay = jobId === 'waits' ? 1_000_000_000 : 0
    const job = await queue.add(markup, data, { jobId, delay })
    await job.log(`${markup}\u001b[31m${markup}`)
    await job.updateProgress({ [markup]: markup })
  }
  const work = (id: string | undefined): unknown => {
    if (id === 'ends-well') return { [markup]: markup }
    const error = new UnrecoverableError(markup)
    error.stack = `${markup}\n    at ${markup} (${markup}:1:1)`
    throw error
  }
  const worker = new Worker(queue.name, async ({ id }) => work(id), { connection, prefix })
  onTestFinished(() => worker.close())
  const counts = () => queue.getJobCounts('completed', 'failed', 'delayed')
  await expect.poll(counts).toEqual({ completed: 1, failed: 1, delayed: 1 })
  return ['ends-well', 'fails', 'waits']
}

test('a job whose every text is markup is shown as text, in every tab and in the form that changes it', async () => {
  const { url, queues } = await startTestHttp({}, redisUrl())
  const jobs = await addPoison(queues.sync, queues.sync.opts.prefix ?? 'bull')
  const browser = await openBrowser()
  onTestFinished(() => browser.close())
  const page = await browser.newPage()
  const complaints: string[] = []
  page.on('dialog', (dialog) => {
    complaints.push(`dialog ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  // Of markup that became an element the policy of the page complains here.
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(url)) complaints.push(`went to ${request.url()}`)
  })
  const shown = page.getByText('<img src=x onerror=').first()
  await page.goto(url)
  await page.getByLabel('Ops token').fill(operatorToken)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL(`${url}/`)

  await page.goto(`${url}/queues/queue/sync?status=latest`)
  await shown.waitFor()
  for (const job of jobs) {
    await page.goto(`${url}/queues/queue/sync/${job}`)
    for (const tab of ['Error', 'Data', 'Progress', 'Options', 'Logs']) {
      await page.getByRole('tab', { name: tab, exact: true }).click()
      await shown.waitFor()
      expect(await page.locator('img[src=x]').count()).toBe(0)
    }
  }
  await page.goto(`${url}/queues/queue/sync/fails`)
  await page.locator('main button:has(svg)').nth(1).click()
  // The form's complaint about data that fits no schema repeats the data.
  await page.getByRole('dialog').locator('.cm-lint-marker-error').first().hover()
  await page.locator('.cm-tooltip').getByText('<img src=x onerror=').first().waitFor()
  expect(await page.locator('img[src=x]').count()).toBe(0)
  expect(await page.title()).toBe('entra-sync')
  expect(complaints).toEqual([])
})
