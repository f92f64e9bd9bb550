/** Stands between a client and a server, and loses connections when it is told to. */
import { once } from 'node:events';
import { createServer, connect, type Server, type Socket } from 'node:net';

export class LossyProxy {
  readonly #target: number;
  readonly #sockets = new Set<Socket>();
  readonly #servers = new Set<Socket>();
  #server: Server;
  #port = 0;
  #losing: ((sent: Buffer) => boolean) | undefined;
  #holding: ((sent: Buffer) => boolean) | undefined;

  private constructor(target: number) {
    this.#target = target;
    this.#server = this.#make();
  }

  /** @param target the port of the server */
  static async start(target: number): Promise<LossyProxy> {
    const proxy = new LossyProxy(target);
    await proxy.open();
    return proxy;
  }

  get port(): number {
    return this.#port;
  }

  /** The ports of its connections to the server, by which that tells them from those of others. */
  get ports(): number[] {
    return [...this.#servers].map(({ localPort }) => localPort!);
  }

  /** The server does its work on the next statement that contains a text, and the connection is lost before the answer. */
  loseAnswerTo(text: string): void {
    this.#losing = (sent) => sent.includes(text);
  }

  /** The server does its work on the next statement that contains a text, and then the client sleeps, as far as it sees. */
  holdAnswerTo(text: string): void {
    this.#holding = (sent) => sent.includes(text);
  }

  /** Nothing passes any more. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** Opens it, at the same port as before. */
  async open(): Promise<void> {
    this.#server = this.#make();
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as { port: number }).port;
  }

  #make(): Server {
    return createServer((client) => {
      const server = connect(this.#target, '127.0.0.1');
      this.#servers.add(server);
      server.on('close', () => this.#servers.delete(server));
      let isLost = false;
      let isHeld = false;
      for (const socket of [client, server]) {
        this.#sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => {
          this.#sockets.delete(socket);
          client.destroy();
          server.destroy();
        });
      }
      client.on('data', (data: Buffer) => {
        if (this.#losing?.(data) === true) {
          this.#losing = undefined;
          isLost = true;
        }
        if (this.#holding?.(data) === true) {
          this.#holding = undefined;
          isHeld = true;
        }
        server.write(data);
      });
      server.on('data', (data: Buffer) => {
        // It answers after it has committed.
        if (isLost) client.destroy();
        else if (!isHeld) client.write(data);
      });
    });
  }
}
