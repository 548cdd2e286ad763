// Encodings that nobody watches are not sent.

// Switches the encodings of a sender as they are wanted. A sender with one encoding carries all its layers in it, so
// anybody who wants any of them keeps it on; encodings that nothing was said about stay on.
export async function activate(
  sender: Pick<RTCRtpSender, "getParameters" | "setParameters">,
  wanted: readonly boolean[],
): Promise<void> {
  const parameters = sender.getParameters();
  const { encodings } = parameters;
  const alone = encodings.length === 1;
  let changed = false;
  encodings.forEach((encoding, index) => {
    const active = alone ? wanted.some((one) => one) : (wanted[index] ?? true);
    changed ||= encoding.active !== active;
    encoding.active = active;
  });
  if (changed) await sender.setParameters(parameters);
}
