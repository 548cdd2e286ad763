// The three kinds of frames, one JSON object per text message of the WebSocket.

export type Json = Record<string, unknown>;

export interface Request {
  request: true;
  id: number;
  method: string;
  data: Json;
}

export interface OkResponse {
  response: true;
  id: number;
  ok: true;
  data: Json;
}

export interface ErrorResponse {
  response: true;
  id: number;
  errorCode: number;
  errorReason: string;
}

export interface Notification {
  notification: true;
  method: string;
  data: Json;
}

export type Frame = (Request | OkResponse | ErrorResponse | Notification) & {
  // The number of the frame in its session, of what the server sends.
  seq: number | undefined;
};

// Reads one frame. What is none gives undefined: a client must survive frames it does not understand.
export function parse(text: string): Frame | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value)) return undefined;
  const seq = typeof value.seq === "number" ? value.seq : undefined;
  const body = parseBody(value);
  return body && { ...body, seq };
}

function parseBody(value: Json): Request | OkResponse | ErrorResponse | Notification | undefined {
  const { id, method } = value;
  const data = object(value.data);
  if (value.request) {
    if (typeof id !== "number" || typeof method !== "string") return undefined;
    return { request: true, id, method, data };
  }
  if (value.response) {
    if (typeof id !== "number") return undefined;
    if (value.ok) return { response: true, id, ok: true, data };
    return {
      response: true,
      id,
      errorCode: typeof value.errorCode === "number" ? value.errorCode : 500,
      errorReason: typeof value.errorReason === "string" ? value.errorReason : "unknown error",
    };
  }
  if (value.notification && typeof method === "string") return { notification: true, method, data };
  return undefined;
}

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function object(value: unknown): Json {
  return isObject(value) ? value : {};
}
