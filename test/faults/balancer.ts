// A TCP load balancer, as operators put in front of several servers. It sends each new connection to the next server
// that answers.

import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export class Balancer {
  readonly #server: Server
  readonly #ports: readonly number[]
  readonly #sockets = new Set<Socket>()
  #turn = 0

  private constructor(ports: readonly number[]) {
    this.#ports = ports
    this.#server = createServer({ pauseOnConnect: true }, socket => this.#forward(socket, this.#ports.length))
  }

  static async open(ports: readonly number[]): Promise<Balancer> {
    const balancer = new Balancer(ports)
    await new Promise<void>(resolve => balancer.#server.listen(0, '127.0.0.1', resolve))
    return balancer
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #forward(socket: Socket, attempts: number): void {
    socket.on('error', () => {})
    if (attempts === 0) return void socket.destroy()
    const server = connect(this.#ports[this.#turn++ % this.#ports.length]!, '127.0.0.1')
    const failed = (): void => this.#forward(socket, attempts - 1)
    server.once('error', failed)
    server.once('connect', () => {
      server.off('error', failed)
      for (const [one, other] of [
        [socket, server],
        [server, socket]
      ] as const) {
        this.#sockets.add(one)
        one.on('error', () => {})
        one.on('close', () => {
          this.#sockets.delete(one)
          other.destroy()
        })
      }
      socket.pipe(server)
      server.pipe(socket)
    })
  }
}
