// The three kinds of protoo messages, one JSON object per text frame.

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
  data: unknown;
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

export type Message = Request | OkResponse | ErrorResponse | Notification;

// Reads one frame. What is not a message gives undefined: a peer must survive frames it does not understand.
export function parse(text: string): Message | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value)) return undefined;
  if (value.request) {
    if (typeof value.id !== "number" || typeof value.method !== "string") return undefined;
    return { request: true, id: value.id, method: value.method, data: object(value.data) };
  }
  if (value.response) return parseResponse(value);
  if (value.notification) {
    if (typeof value.method !== "string") return undefined;
    return { notification: true, method: value.method, data: object(value.data) };
  }
  return undefined;
}

function parseResponse(value: Json): OkResponse | ErrorResponse | undefined {
  if (typeof value.id !== "number") return undefined;
  if (value.ok) return { response: true, id: value.id, ok: true, data: value.data ?? {} };
  return {
    response: true,
    id: value.id,
    errorCode: typeof value.errorCode === "number" ? value.errorCode : 500,
    errorReason: typeof value.errorReason === "string" ? value.errorReason : "unknown error",
  };
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function object(value: unknown): Json {
  return isObject(value) ? value : {};
}
