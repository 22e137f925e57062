// Makes a child process look like an object. The parent calls the object's methods; each call is one message to the
// child and one message back. The child's other messages (`{ news }`) go to a listener. An error in a method rejects
// the call. A child that ends early rejects every open call.

import { type ChildProcess, fork } from 'node:child_process'

type Calls = Record<string, (...args: never[]) => Promise<unknown>>

interface Call {
  readonly id: number
  readonly method: string
  readonly args: readonly unknown[]
}

/** Runs in the child. The first call, `create`, makes the object. */
export function serveCalls<Options>(create: (options: Options) => Promise<object>): void {
  let target: Promise<Record<string, (...args: unknown[]) => unknown>> | undefined
  process.on('message', async ({ id, method, args }: Call) => {
    try {
      if (method === 'create') {
        target = create(args[0] as Options) as NonNullable<typeof target>
        await target
        process.send!({ id })
      } else process.send!({ id, value: await (await target!)[method]!(...args) })
    } catch (error) {
      process.send!({ id, error: (error as Error).message })
    }
  })
  // The parent has gone, so the child has no work left.
  process.on('disconnect', () => process.exit(1))
}

export interface Child<Methods> {
  readonly pid: number
  /** Calls a method by its name and resolves with the method's result. */
  readonly call: <Name extends keyof Methods & string>(
    name: Name,
    ...args: Methods[Name] extends (...args: infer Args) => unknown ? Args : never
  ) => Methods[Name] extends (...args: never[]) => infer Result ? Result : never
  readonly ended: Promise<void>
  kill(): void
}

/** Starts the program as a child process and makes its object. */
export async function startChild<Methods extends object>(
  program: URL,
  options: unknown,
  onNews: (news: never) => void = () => {}
): Promise<Child<Methods>> {
  const child: ChildProcess = fork(program, { serialization: 'advanced' })
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  let lastId = 0
  child.on('message', (message: { id?: number; value?: unknown; error?: string; news?: never }) => {
    if (message.news !== undefined) return onNews(message.news)
    const { resolve, reject } = waiting.get(message.id!)!
    waiting.delete(message.id!)
    if (message.error === undefined) resolve(message.value)
    else reject(new Error(message.error))
  })
  const ended = new Promise<void>(resolve =>
    child.once('exit', (code, signal) => {
      for (const { reject } of waiting.values()) reject(new Error(`a process of the bench ended (${signal ?? code})`))
      waiting.clear()
      resolve()
    })
  )
  const call = (method: string, ...args: unknown[]): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const id = ++lastId
      waiting.set(id, { resolve, reject })
      if (child.connected) child.send({ id, method, args })
      else reject(new Error('a process of the bench has ended'))
    })
  await call('create', options)
  return {
    pid: child.pid!,
    call: call as Child<Calls>['call'] as never,
    ended,
    kill: () => void child.kill('SIGKILL')
  }
}
