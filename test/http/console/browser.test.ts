import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import { openBrowser } from '../../harness/browser.ts'
import { operatorToken, startTestHttp } from '../start.ts'
import { addFleet, hostile } from './fleet.ts'

test('an operator signs in, finds an Entra tenant and sets level Custom and makes a consent link, without any script', async () => {
  const { url, database } = await startTestHttp()
  await addFleet(database.db, 60)
  const browser = await openBrowser()
  onTestFinished(() => browser.close())
  const context = await browser.newContext({ javaScriptEnabled: false })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('dialog', (dialog) => complaints.push(`dialog ${dialog.message()}`))
  page.on('console', (message) => {
    if (/Content Security Policy|Refused/.test(message.text())) complaints.push(message.text())
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith('data:'))
      complaints.push(`went to ${request.url()}`)
  })

  await page.goto(url)
  await page.getByLabel('Ops token').fill(operatorToken)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL(`${url}/`)
  await page.getByRole('heading', { name: 'Overview' }).waitFor()
  await page.getByRole('link', { name: hostile }).first().waitFor()

  await page.getByLabel('Search by name').fill('northwind')
  await page.getByRole('button', { name: 'Search' }).click()
  await page.getByRole('link', { name: 'Northwind MSP' }).click()
  const clientId = randomUUID()
  await page.getByText('Set to Custom').click()
  await page.getByLabel('Application (client) ID').fill(clientId)
  await page.getByLabel('Value').fill('secret8Q~of-the-browser-test')
  await page.getByLabel('Expires').fill('2100-01-01')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('status').getByText('The permission level of Northwind MSP is Custom.').waitFor()
  expect(await page.getByLabel('Of the app registration').inputValue()).toBe(
    'http://localhost:8080/consent-callback',
  )
  await page.getByRole('cell', { name: '2100-01-01' }).waitFor()
  expect(await page.content()).not.toContain('secret8Q~')

  await page.getByRole('button', { name: 'Consent link' }).click()
  const link = page.getByLabel('Send this to an admin')
  expect(await link.inputValue()).toMatch(/^http:\/\/localhost:8080\/consent\/start\?ticket=[\w-]{20,}$/)
  await page.reload()
  expect(await link.count()).toBe(0)

  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByLabel('Ops token').waitFor()
  expect(complaints).toEqual([])
})
