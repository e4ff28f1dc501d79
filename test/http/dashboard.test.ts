import { expect, onTestFinished, test } from 'vitest'
import { openBrowser } from '../harness/browser.ts'
import { redisUrl } from '../harness/redis.ts'
import { jobsOf, operatorToken, startTestHttp, viewerToken } from './start.ts'

const entraTenantId = '11111111-2222-3333-4444-555555555555'

async function openPage() {
  const browser = await openBrowser()
  onTestFinished(() => browser.close())
  const page = await browser.newPage()
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => {
    if (/Content Security Policy|Refused/.test(message.text())) complaints.push(message.text())
  })
  page.on('request', (request) => {
    if (!/^(http:\/\/127\.0\.0\.1:|data:|blob:)/.test(request.url()))
      complaints.push(`went to ${request.url()}`)
  })
  return { page, complaints }
}

test.each([
  ['redis', () => redisUrl()],
  ['postgres', () => null],
])(
  'an operator signs in, sees the queues and adds a job with the form, on %s',
  async (_backend, queueUrl) => {
    const { url, queues } = await startTestHttp({}, queueUrl())
    const { page, complaints } = await openPage()

    await page.goto(url)
    await page.getByLabel('Ops token').fill('not the token at all')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('alert').waitFor()
    await page.getByLabel('Ops token').fill(operatorToken)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.waitForURL(`${url}/`)
    await page.getByRole('link', { name: 'Queues' }).click()
    await page.waitForURL(`${url}/queues`)
    await page.getByRole('link', { name: 'sync', exact: true }).first().click()
    await page.waitForURL(/\/queues\/queue\/sync/)

    await page.locator('button[aria-haspopup=menu]').last().click()
    await page.getByRole('menuitem', { name: 'Add job' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Job name').fill('sync-tenant')
    const editor = dialog.locator('.cm-content').first()
    await editor.click()
    await page.keyboard.press('Control+A')
    await page.keyboard.insertText(JSON.stringify({ entraTenantId, mode: 'full' }))
    await dialog.getByRole('button', { name: /^add/i }).click()
    await dialog.waitFor({ state: 'hidden' })

    await expect.poll(async () => (await jobsOf(queues.sync)).length).toBe(1)
    const [job] = await jobsOf(queues.sync)
    expect(job).toMatchObject({ name: 'sync-tenant', data: { entraTenantId, mode: 'full' } })
    await page.getByText('sync-tenant').first().waitFor()
    expect(complaints).toEqual([])
  },
)

test('a viewer gets a board without any way to change a queue', async () => {
  const { url } = await startTestHttp()
  const { page, complaints } = await openPage()
  await page.goto(url)
  await page.getByLabel('Ops token').fill(viewerToken)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.goto(`${url}/queues/queue/sync`)
  await page.getByText('No latest jobs in this queue').waitFor()
  expect(await page.getByRole('menuitem', { name: 'Add job' }).count()).toBe(0)
  for (const menu of await page.locator('button[aria-haspopup=menu]').all()) {
    await menu.click()
    expect(
      await page.getByRole('menuitem', { name: /add|pause|empty|obliterate|retry|clean/i }).count(),
    ).toBe(0)
    await page.keyboard.press('Escape')
  }
  expect(complaints).toEqual([])
})
