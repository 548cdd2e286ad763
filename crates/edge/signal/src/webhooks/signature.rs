//! Proof that a delivery is ours and of this moment: `Plenum-Signature: t=<seconds>,v1=<hex>[,v1=<hex>…]`.
//!
//! Each `v1` is HMAC-SHA256 over `<seconds>.<body>` with one of the secrets that hold now; while a secret is exchanged there
//! are two, and a receiver accepts what matches the one that it knows.

use std::fmt::Write as _;

use aws_lc_rs::hmac;

/// Name of the header.
pub(crate) const HEADER: &str = "plenum-signature";

/// The header's value for a body that is sent at this time (Unix, seconds).
pub(crate) fn sign<'a>(
    secrets: impl IntoIterator<Item = &'a [u8]>,
    seconds: u64,
    body: &[u8],
) -> String {
    let mut value = format!("t={seconds}");
    for secret in secrets {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let mut context = hmac::Context::with_key(&key);
        context.update(format!("{seconds}.").as_bytes());
        context.update(body);
        value.push_str(",v1=");
        for byte in context.sign().as_ref() {
            // Writing to a string cannot fail.
            let _ = write!(value, "{byte:02x}");
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Python's `hmac`.
    #[test]
    fn signatures_are_what_receivers_compute() {
        let body = br#"{"event":"peerJoined"}"#;
        let one = sign([b"a secret of 16 b".as_slice()], 1_700_000_000, body);
        assert_eq!(
            one,
            "t=1700000000,v1=e40ba71e93438bc03c4260fb497434288b5a1db8b10c84269907d69950722532"
        );
        let both = sign([b"new".as_slice(), b"old"], 1, b"");
        assert_eq!(both.matches("v1=").count(), 2);
    }
}
