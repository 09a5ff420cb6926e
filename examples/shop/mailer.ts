import { Abort } from 'legwork'
import { createTransport } from 'nodemailer'

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
      const messageId = `<order-${order}@shop.example>`
      await transport.sendMail({ from: 'shop@shop.example', messageId, ...mail }).catch(onlyForNow)
    },
    close: () => transport.close(),
  }
}

/** 5xx is an answer of the mail server, for good. */
function onlyForNow(error: Error & { readonly responseCode?: number; readonly response?: string }): never {
  const { responseCode = 0, response } = error
  throw responseCode >= 500 ? new Abort(response) : error
}
