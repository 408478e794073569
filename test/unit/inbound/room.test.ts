import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { expect, it } from 'vitest'
import { makeRoom } from '../../../src/inbound/room.ts'

const ADDED = ['res', 'next', 'baseUrl', 'originalUrl', 'params', 'route']

it('what Express will add is there and holds nothing', () => {
  const request = new IncomingMessage(new Socket())
  const response = new ServerResponse(request)
  makeRoom(request, response)
  for (const name of ADDED) expect(Object.getOwnPropertyDescriptor(request, name)).toMatchObject({ value: undefined, writable: true })
  expect(Object.getOwnPropertyDescriptor(response, 'locals')).toMatchObject({ value: undefined, writable: true })
})

it('what somebody put there before stays, also where it can only be read', () => {
  class Counted extends IncomingMessage {
    get params(): string {
      return 'mine'
    }
  }
  const request = Object.assign(new Counted(new Socket()), { originalUrl: '/before' })
  const response = Object.assign(new ServerResponse(request), { locals: { user: 'ann' } })
  makeRoom(request, response)
  expect([request.originalUrl, request.params, response.locals]).toEqual(['/before', 'mine', { user: 'ann' }])
})
