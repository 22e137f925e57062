// Types of the two files of undici that the edge loads; they are those of the package.

declare module 'undici/lib/dispatcher/client.js' {
  import type { Client } from 'undici'

  const client: typeof Client
  type client = Client
  export default client
}

declare module 'undici/lib/api/api-request.js' {
  import type { Client, Dispatcher } from 'undici'
  export default function request(this: Client, options: Dispatcher.RequestOptions): Promise<Dispatcher.ResponseData>
}
