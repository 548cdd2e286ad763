// What the page programs here use of the libraries, whose versions a bundle chooses.

declare module "mediasoup-client" {
  export interface Params {
    id: string;
    [key: string]: unknown;
  }
  export interface Sender {
    id: string;
    kind: string;
    paused: boolean;
    pause(): void;
    resume(): void;
    close(): void;
    on(event: string, handler: (...args: never[]) => void): void;
  }
  export interface Receiver extends Sender {
    track: MediaStreamTrack;
  }
  export interface Channel {
    id: string;
    label: string;
    readyState: string;
    send(data: string): void;
    close(): void;
    on(event: "message", handler: (message: unknown) => void): void;
    on(event: string, handler: () => void): void;
  }
  export type Answered = (answer?: { id: string }) => void;
  export type Failed = (error: unknown) => void;
  export interface Transport {
    id: string;
    on(event: string, handler: (what: Record<string, unknown>, done: Answered, failed: Failed) => void): void;
    produce(options: object): Promise<Sender>;
    produceData(options: object): Promise<Channel>;
    consume(options: object): Promise<Receiver>;
    consumeData(options: object): Promise<Channel>;
    restartIce(options: { iceParameters: unknown }): Promise<void>;
    close(): void;
  }
  export class Device {
    constructor(options?: { handlerName?: string });
    rtpCapabilities?: unknown;
    recvRtpCapabilities?: unknown;
    sctpCapabilities?: unknown;
    load(options: { routerRtpCapabilities: unknown }): Promise<void>;
    createSendTransport(options: object): Transport;
    createRecvTransport(options: object): Transport;
  }
  export const version: string;
}

declare module "protoo-client" {
  export interface Request {
    method: string;
    data: Record<string, unknown>;
  }
  export class WebSocketTransport {
    constructor(url: string);
  }
  export class Peer {
    constructor(transport: WebSocketTransport);
    request(method: string, data?: object): Promise<Record<string, unknown>>;
    notify(method: string, data?: object): Promise<void>;
    close(): void;
    on(
      event: "request",
      handler: (
        request: Request,
        accept: (data?: object) => void,
        reject: (code: number, reason: string) => void,
      ) => void,
    ): void;
    on(event: "notification", handler: (notification: Request) => void): void;
    on(event: string, handler: () => void): void;
  }
}

declare module "socket.io-client" {
  export interface Socket {
    id: string;
    emit(event: string, ...args: unknown[]): void;
    on(event: string, handler: (data: never) => void): void;
    disconnect(): void;
  }
  export function io(): Socket;
}
