import { once } from 'node:events'
import { createTransport } from 'nodemailer'
import { SMTPServer } from 'smtp-server'

export interface Mail {
  readonly order: string
  readonly to: string
  readonly subject: string
  readonly text: string
}

export interface Mailer {
  send(mail: Mail): Promise<void>
  close(): void
}

/** Sends through the SMTP server at this port of this machine. */
export function createMailer(port: number): Mailer {
  const limits = { connectionTimeout: 5_000, greetingTimeout: 5_000, socketTimeout: 5_000 }
  const transport = createTransport({ host: '127.0.0.1', port, secure: false, ignoreTLS: true, ...limits })
  return {
    async send({ order, ...mail }) {
      // A mail that is sent twice is the same mail, and what receives it can tell.
      await transport.sendMail({ from: 'shop@shop.example', messageId: `<order-${order}@shop.example>`, ...mail })
    },
    close: () => transport.close(),
  }
}

/** The mails that arrived, by Message-ID. */
export interface Mailbox {
  readonly port: number
  readonly mails: ReadonlyMap<string, { readonly raw: string; readonly copies: number }>
  close(): Promise<void>
}

/** An SMTP server that keeps what it receives. One that is faulty sometimes takes a mail and then says that it did not. */
export async function openMailbox({ faulty }: { readonly faulty: boolean }): Promise<Mailbox> {
  const mails = new Map<string, { raw: string; copies: number }>()
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    logger: false,
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
