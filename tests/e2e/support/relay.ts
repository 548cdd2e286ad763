// A wire between a page and the node that can be cut: it carries the page and its signalling, and no media. What is cut
// is gone without a word, as behind a router that has forgotten a connection.

import type { AddressInfo } from "node:net";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Hall } from "./hall";

export class Relay {
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  #refusing = false;

  private constructor(server: Server) {
    this.#server = server;
  }

  // `from` is the address that the node sees.
  static async before({ port }: Pick<Hall, "port">, from = "127.0.0.1"): Promise<Relay> {
    const server = createServer();
    const relay = new Relay(server);
    server.on("connection", (page) =>
      relay.#carry(page, connect({ port, host: "127.0.0.1", localAddress: from })),
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return relay;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  // Every connection breaks; others can be made at once.
  cut(): void {
    for (const socket of this.#open) socket.resetAndDestroy();
  }

  // Every connection breaks, and none can be made until it is mended.
  sever(): void {
    this.#refusing = true;
    this.cut();
  }

  mend(): void {
    this.#refusing = false;
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #carry(page: Socket, node: Socket): void {
    if (this.#refusing) {
      page.resetAndDestroy();
      node.destroy();
      return;
    }
    for (const socket of [page, node]) {
      this.#open.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        this.#open.delete(socket);
        page.destroy();
        node.destroy();
      });
    }
    page.pipe(node);
    node.pipe(page);
  }
}
