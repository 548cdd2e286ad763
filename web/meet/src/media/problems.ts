// Words for people about what can go wrong with devices and with the server.

export interface Problem {
  title: string;
  hint: string;
}

export type Source = "mic" | "camera" | "screen";

const NOUN: Record<Source, string> = { mic: "microphone", camera: "camera", screen: "screen" };

// Undefined where nobody needs to be told: people who close the screen picker know that they did.
export function deviceProblem(source: Source, error: unknown): Problem | undefined {
  const noun = NOUN[source];
  const name = error instanceof Error || error instanceof DOMException ? error.name : "";
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      if (source === "screen") return undefined;
      return {
        title: `No permission to use the ${noun}`,
        hint: `Allow it through the icon beside the address of this page, then switch the ${noun} on again.`,
      };
    case "NotFoundError":
    case "DevicesNotFoundError":
      return {
        title: `No ${noun} found`,
        hint:
          source === "screen"
            ? "There is nothing to share."
            : `Plug one in, then switch the ${noun} on again.`,
      };
    case "NotReadableError":
    case "TrackStartError":
    case "AbortError":
      return {
        title: `The ${noun} is busy`,
        hint: "Another program seems to use it. Close that one and try again.",
      };
    case "OverconstrainedError":
      return { title: `This ${noun} cannot be used`, hint: "Choose another one in the list." };
    case "InsecureContextError":
      return {
        title: `The browser hides the ${noun} from this page`,
        hint: "Sound and picture need a secure address: https, or localhost.",
      };
    default:
      return {
        title: `The ${noun} did not start`,
        hint: error instanceof Error && error.message ? error.message : "The browser gave no reason.",
      };
  }
}
