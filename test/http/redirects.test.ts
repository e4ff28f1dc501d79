import { expect, test } from 'vitest'
import { writingRoutes } from './routes.ts'
import { operatorToken, startTestHttp } from './start.ts'

/** What a browser makes of a path: `//`, `/\` and `\\` begin the name of a host; a parameter is decoded once. */
const leadingOut = [
  '..%2f%2fevil.example',
  '..%2f..%2f%2fevil.example',
  '..%2f..%2f..%2f%2fevil.example%2f',
  '..%5c..%5c%5cevil.example',
  '%2f%2fevil.example',
  '%5c%5cevil.example',
  '.%2f.%2f%2f%2fevil.example',
  '..%2f..%2f%09%2fevil.example',
  '..%2f..%2f%0d%0aLocation:%20https:%2f%2fevil.example',
  'https:%2f%2fevil.example',
  '@evil.example',
  '%252f%252fevil.example',
]

// `POST /entra-tenants/..%2f%2fevil.example/sync` sent its browser to //evil.example, which is https://evil.example.
test('an answer to a form leads to no other site, whatever is in its path', async () => {
  const { url, deps } = await startTestHttp()
  let redirects = 0
  for (const hostile of leadingOut)
    for (const { method, path } of await writingRoutes(deps, hostile)) {
      if (path === '/sign-in' || path.startsWith('/queues')) continue
      const answer = await fetch(url + path, {
        method,
        redirect: 'manual',
        headers: {
          Authorization: `Bearer ${operatorToken}`,
          'Content-Type': 'application/x-www-form-urlencoded',
        },
        body: 'back=//evil.example&next=//evil.example&of=//evil.example&returnTo=https://evil.example',
      })
      await answer.body?.cancel()
      const location = answer.headers.get('location')
      if (location === null) continue
      redirects += 1
      expect({ method, path, origin: new URL(location, url).origin }).toEqual({ method, path, origin: url })
    }
  expect(redirects).toBeGreaterThan(100)
})

test('a name of a host that a request makes up is in no answer', async () => {
  const { url } = await startTestHttp()
  const headers = {
    Authorization: `Bearer ${operatorToken}`,
    Accept: 'text/html',
    'X-Forwarded-Host': 'evil.example',
    'X-Forwarded-Proto': 'gopher',
    Forwarded: 'host=evil.example',
    'X-Original-URL': '/sign-in',
  }
  for (const path of [
    '/',
    '/sign-in',
    '/tenants?flash=//evil.example',
    '/nothing',
    '/queues',
    '/api/v1/tenants',
  ]) {
    const answer = await fetch(url + path, { redirect: 'manual', headers })
    expect(`${[...answer.headers].join(' ')} ${await answer.text()}`).not.toContain('evil.example')
  }
})
