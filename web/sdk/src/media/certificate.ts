// The certificate of this client's DTLS, made before anybody asks for it: with its fingerprints the first message can
// connect both transports.

import type { types } from "mediasoup-client";

export interface Identity {
  certificate: RTCCertificate;
  fingerprints: types.DtlsFingerprint[];
}

export async function makeIdentity(): Promise<Identity> {
  const certificate = await RTCPeerConnection.generateCertificate({
    name: "ECDSA",
    namedCurve: "P-256",
  } as AlgorithmIdentifier);
  const told = readFingerprints(certificate);
  return { certificate, fingerprints: told.length > 0 ? told : await offeredFingerprints(certificate) };
}

// Not every browser can say it.
function readFingerprints(certificate: RTCCertificate): types.DtlsFingerprint[] {
  const told = certificate.getFingerprints?.() ?? [];
  return told.flatMap(({ algorithm, value }) => (algorithm && value ? [fingerprint(algorithm, value)] : []));
}

// All of them write it into an offer.
async function offeredFingerprints(certificate: RTCCertificate): Promise<types.DtlsFingerprint[]> {
  const connection = new RTCPeerConnection({ certificates: [certificate] });
  try {
    connection.createDataChannel("");
    const { sdp = "" } = await connection.createOffer();
    return readOffered(sdp);
  } finally {
    connection.close();
  }
}

export function readOffered(sdp: string): types.DtlsFingerprint[] {
  const [, algorithm, value] = /^a=fingerprint:(\S+)\s+(\S+)/m.exec(sdp) ?? [];
  return algorithm && value ? [fingerprint(algorithm, value)] : [];
}

// RFC 8122 §5 writes the digits in upper case.
function fingerprint(algorithm: string, value: string): types.DtlsFingerprint {
  return { algorithm: algorithm.toLowerCase() as types.FingerprintAlgorithm, value: value.toUpperCase() };
}
