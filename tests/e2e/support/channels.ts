// Data channels beside the chat, through the page's console handle.

export interface Channel {
  label: string;
  ordered: boolean;
}

interface DataProducer {
  readyState: string;
  bufferedAmount: number;
  on(event: string, handler: () => void): void;
  send(data: string): void;
}

interface Handle {
  onData?: (message: { label: string; message: unknown }) => void;
  produceData(options: object): Promise<DataProducer>;
}

export interface ReceivedMessages {
  // Those that say that a reader is there.
  probes: number;
  count: number;
  distinct: Set<number>;
  inOrder: boolean;
}

// Runs in the page: counts what comes on channels of this label from now on.
export function receive(label: string): void {
  const page = window as unknown as { plenum: Handle; received: ReceivedMessages };
  const received: ReceivedMessages = { probes: 0, count: 0, distinct: new Set(), inOrder: true };
  page.received = received;
  let last = -1;
  page.plenum.onData = ({ label: of, message }) => {
    if (of !== label) return;
    const number = Number.parseInt(String(message), 10);
    if (number < 0) {
      received.probes += 1;
      return;
    }
    received.count += 1;
    received.distinct.add(number);
    if (number !== last + 1) received.inOrder = false;
    last = number;
  };
}

// Runs in the page: makes a channel, waits until the other one reads it, and sends numbered messages as fast as the
// channel takes them. Most are short, some need several packets; all together are less than what may wait at the server
// for a reader on a slow path, who would lose the rest.
export async function load({ channel, messages }: { channel: Channel; messages: number }): Promise<void> {
  const page = window as unknown as { plenum: Handle; received: ReceivedMessages };
  const producer = await page.plenum.produceData(channel);
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  while (producer.readyState !== "open") await pause(20);
  // The other page does the same: once its probes arrive, so do ours, a little later.
  const until = Date.now() + 25_000;
  for (let after = 0; after < 20; after += page.received.probes > 0 ? 1 : 0) {
    if (Date.now() > until) throw new Error("nobody reads the channel");
    producer.send("-1");
    await pause(50);
  }
  for (let number = 0; number < messages; number += 1) {
    const length = number % 500 === 250 ? 16_000 : (number * 37) % 180;
    producer.send(`${number} ${"x".repeat(length)}`);
    while (producer.bufferedAmount > 1_000_000) await pause(5);
  }
}

// Runs in the page.
export function counted(): { count: number; distinct: number; inOrder: boolean } {
  const { count, distinct, inOrder } = (window as unknown as { received: ReceivedMessages }).received;
  return { count, distinct: distinct.size, inOrder };
}
