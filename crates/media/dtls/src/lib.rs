//! DTLS handshake, key export and fingerprints behind one small interface.
