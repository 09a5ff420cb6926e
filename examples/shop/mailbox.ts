import { once } from 'node:events'
import { SMTPServer } from 'smtp-server'

/** The mails that arrived, by Message-ID. */
export interface Mailbox {
  readonly port: number
  readonly mails: ReadonlyMap<string, { readonly raw: string; readonly copies: number }>
  close(): Promise<void>
}

/** An SMTP server that keeps what it receives, and knows nobody at nowhere.example. One that is faulty sometimes takes a mail and then says that it did not. */
export async function openMailbox({ faulty }: { readonly faulty: boolean }): Promise<Mailbox> {
  const mails = new Map<string, { raw: string; copies: number }>()
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    logger: false,
    onRcptTo({ address }, _session, done) {
      const isUnknown = address.endsWith('@nowhere.example')
      done(isUnknown ? Object.assign(new Error('no such mailbox'), { responseCode: 550 }) : null)
    },
    onData(stream, _session, done) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        keep(mails, Buffer.concat(chunks).toString())
        done(faulty && Math.random() < 0.2 ? new Error('try again later') : null)
      })
    },
  })
  server.on('error', () => undefined) // a client that was killed while it was talking
  const listening = server.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  const address = listening.address()
  if (!address || typeof address === 'string') throw new Error('The SMTP server has no port.')
  return { port: address.port, mails, close: () => new Promise((resolve) => server.close(() => resolve())) }
}

function keep(mails: Map<string, { raw: string; copies: number }>, raw: string): void {
  const id = /^message-id: *(<[^>]*>)/im.exec(raw)?.[1] ?? '(none)'
  mails.set(id, { raw, copies: (mails.get(id)?.copies ?? 0) + 1 })
}
