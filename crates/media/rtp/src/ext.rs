//! Values of the header extensions that WebRTC uses. `parse` takes the value of an element, `to_bytes` gives it.

use std::time::Duration;

use crate::{
    bytes::{sign_extend_24, u16_at, u24_at, u64_at},
    ntp::NtpTime,
};

/// Loudness of an audio packet (RFC 6464).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioLevel {
    /// Whether the sender believes that somebody speaks.
    pub voice: bool,
    /// Level below full scale in dB: 0 is the loudest, 127 is silence.
    pub level: u8,
}

impl AudioLevel {
    /// Reads the value.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let &[byte] = value else { return None };
        Some(Self {
            voice: byte & 0x80 != 0,
            level: byte & 0x7f,
        })
    }

    /// The value.
    pub const fn to_bytes(self) -> [u8; 1] {
        [(self.voice as u8) << 7 | self.level & 0x7f]
    }
}

/// When a packet left the sender: 24 bits of seconds as 6.18 fixed point (abs-send-time).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbsSendTime(u32);

impl AbsSendTime {
    const MASK: u32 = 0x00ff_ffff;

    /// From NTP time.
    pub const fn from_ntp(time: NtpTime) -> Self {
        Self((time.as_u64() >> 14) as u32 & Self::MASK)
    }

    /// From the time since any epoch.
    pub const fn from_duration(since_epoch: Duration) -> Self {
        let fraction = ((since_epoch.subsec_nanos() as u64) << 18) / 1_000_000_000;
        Self(((since_epoch.as_secs() << 18) as u32 | fraction as u32) & Self::MASK)
    }

    /// Reads the value.
    pub fn parse(value: &[u8]) -> Option<Self> {
        if value.len() == 3 {
            u24_at(value, 0).map(Self)
        } else {
            None
        }
    }

    /// The value.
    pub const fn to_bytes(self) -> [u8; 3] {
        let [_, a, b, c] = self.0.to_be_bytes();
        [a, b, c]
    }

    /// The 24 bits.
    pub const fn as_u24(self) -> u32 {
        self.0
    }

    /// Time from `earlier` to `self`, modulo the cycle of 64 s.
    pub const fn wrapping_duration_since(self, earlier: Self) -> Duration {
        let ticks = self.0.wrapping_sub(earlier.0) & Self::MASK;
        Duration::from_nanos((ticks as u64 * 1_000_000_000) >> 18)
    }
}

/// Sequence number over all packets of a transport (draft-holmer-rmcat-transport-wide-cc-extensions-01 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransportSequence(pub u16);

impl TransportSequence {
    /// Reads the value. Version 2 of the extension appends a request for feedback, which is ignored.
    pub fn parse(value: &[u8]) -> Option<Self> {
        if matches!(value.len(), 2 | 4) {
            u16_at(value, 0).map(Self)
        } else {
            None
        }
    }

    /// The value.
    pub const fn to_bytes(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }
}

/// How a receiver must turn the picture (3GPP TS 26.114 §7.4.5, `urn:3gpp:video-orientation`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VideoOrientation {
    /// Whether the back camera took the picture.
    pub back_camera: bool,
    /// Whether the picture is flipped horizontally.
    pub flip: bool,
    /// Clockwise quarter turns to display it upright, 0–3.
    pub quarter_turns: u8,
}

impl VideoOrientation {
    /// Reads the value.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let &[byte] = value else { return None };
        Some(Self {
            back_camera: byte & 8 != 0,
            flip: byte & 4 != 0,
            quarter_turns: byte & 3,
        })
    }

    /// The value.
    pub const fn to_bytes(self) -> [u8; 1] {
        [(self.back_camera as u8) << 3 | (self.flip as u8) << 2 | self.quarter_turns & 3]
    }
}

/// Offset of the sending time from the media timestamp, in its units, 24 bits signed (RFC 5450).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransmissionOffset(pub i32);

impl TransmissionOffset {
    /// Reads the value.
    pub fn parse(value: &[u8]) -> Option<Self> {
        if value.len() != 3 {
            return None;
        }
        u24_at(value, 0).map(|bits| Self(sign_extend_24(bits)))
    }

    /// The value; the offset is cut to 24 bits.
    pub const fn to_bytes(self) -> [u8; 3] {
        let [_, a, b, c] = self.0.to_be_bytes();
        [a, b, c]
    }
}

/// When a frame was captured (abs-capture-time).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbsCaptureTime {
    /// Time by the capturer's clock.
    pub capture_time: NtpTime,
    /// What to add to get from the capturer's clock to the sender's, in 32.32 seconds.
    pub clock_offset: Option<i64>,
}

impl AbsCaptureTime {
    /// Reads the value of 8 or 16 bytes.
    pub fn parse(value: &[u8]) -> Option<Self> {
        if !matches!(value.len(), 8 | 16) {
            return None;
        }
        Some(Self {
            capture_time: NtpTime::from_u64(u64_at(value, 0)?),
            clock_offset: u64_at(value, 8).map(u64::cast_signed),
        })
    }

    /// The value: the first [`Self::value_len`] of these bytes.
    pub fn to_bytes(self) -> [u8; 16] {
        let offset = self.clock_offset.unwrap_or(0).cast_unsigned();
        (u128::from(self.capture_time.as_u64()) << 64 | u128::from(offset)).to_be_bytes()
    }

    /// Length of the value.
    pub const fn value_len(self) -> usize {
        if self.clock_offset.is_some() { 16 } else { 8 }
    }
}

/// Bounds for the delay between capture and display (playout-delay), in steps of 10 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlayoutDelay {
    /// Shortest delay.
    pub min: Duration,
    /// Longest delay.
    pub max: Duration,
}

impl PlayoutDelay {
    /// Unit of the wire.
    const STEP: Duration = Duration::from_millis(10);
    /// Twelve bits.
    const MAX_STEPS: u32 = 0xfff;

    /// Reads the value. A minimum above the maximum is malformed.
    pub fn parse(value: &[u8]) -> Option<Self> {
        if value.len() != 3 {
            return None;
        }
        let bits = u24_at(value, 0)?;
        let (min, max) = (bits >> 12, bits & Self::MAX_STEPS);
        (min <= max).then(|| Self {
            min: Self::STEP * min,
            max: Self::STEP * max,
        })
    }

    /// The value; delays saturate at 40.95 s.
    pub fn to_bytes(self) -> [u8; 3] {
        let steps = |delay: Duration| {
            let steps = delay.as_millis() / Self::STEP.as_millis();
            u32::try_from(steps)
                .unwrap_or(Self::MAX_STEPS)
                .min(Self::MAX_STEPS)
        };
        let [_, a, b, c] = (steps(self.min) << 12 | steps(self.max)).to_be_bytes();
        [a, b, c]
    }
}

/// Longest MID or RID: what the one-byte form holds, and the limit of RFC 8851 §10 for interoperable names.
pub const MAX_NAME_LEN: usize = 16;

/// The MID of a packet (RFC 9143 §15.2): 1–16 characters of visible ASCII.
pub fn parse_mid(value: &[u8]) -> Option<&str> {
    parse_name(value, u8::is_ascii_graphic)
}

/// The RID of a packet, original or repaired (RFC 8852): 1–16 letters, digits, `-` or `_`.
pub fn parse_rid(value: &[u8]) -> Option<&str> {
    parse_name(value, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
    })
}

fn parse_name(value: &[u8], is_allowed: impl Fn(&u8) -> bool) -> Option<&str> {
    // Some senders fill the rest of a fixed field with zeros.
    let end = value
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(value.len());
    let name = value.get(..end)?;
    if name.is_empty() || name.len() > MAX_NAME_LEN || !name.iter().all(is_allowed) {
        return None;
    }
    std::str::from_utf8(name).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_values() {
        assert_eq!(
            AudioLevel::parse(&[0x8a]),
            Some(AudioLevel {
                voice: true,
                level: 10
            })
        );
        assert_eq!(AudioLevel::parse(&[]), None);
        // One and a half second is 1.5 · 2^18.
        let time = AbsSendTime::from_duration(Duration::from_millis(1500));
        assert_eq!(time.as_u24(), 0x06_0000);
        assert_eq!(
            AbsSendTime::from_ntp(NtpTime::from_u64(0x0001_8000_0000)).as_u24(),
            0x06_0000
        );
        assert_eq!(
            VideoOrientation::parse(&[0b1001]).map(|value| value.quarter_turns),
            Some(1)
        );
        assert_eq!(
            TransmissionOffset::parse(&[0xff, 0xff, 0xff]),
            Some(TransmissionOffset(-1))
        );
        assert_eq!(
            TransportSequence::parse(&[1, 2]),
            Some(TransportSequence(0x0102))
        );
        assert_eq!(
            TransportSequence::parse(&[1, 2, 0, 0]),
            Some(TransportSequence(0x0102))
        );
        assert_eq!(TransportSequence::parse(&[1, 2, 0]), None);
        assert_eq!(PlayoutDelay::parse(&[0x00, 0x20, 0x01]), None);
        let delay = PlayoutDelay {
            min: Duration::from_millis(10),
            max: Duration::from_secs(100),
        };
        assert_eq!(delay.to_bytes(), [0x00, 0x1f, 0xff]);
        assert_eq!(AbsCaptureTime::parse(&[0; 9]), None);
    }

    #[test]
    fn send_times_wrap_after_64_seconds() {
        let early = AbsSendTime::from_duration(Duration::from_millis(63_750));
        let late = AbsSendTime::from_duration(Duration::from_millis(64_250));
        assert_eq!(
            late.wrapping_duration_since(early),
            Duration::from_millis(500)
        );
    }

    #[test]
    fn names_are_bounded_ascii() {
        assert_eq!(parse_mid(b"0"), Some("0"));
        assert_eq!(parse_mid(b"a\0\0"), Some("a"));
        assert_eq!(parse_mid(b"\0"), None);
        assert_eq!(parse_mid(b""), None);
        assert_eq!(parse_mid(b"with space"), None);
        assert_eq!(parse_mid("é".as_bytes()), None);
        assert_eq!(parse_mid(b"12345678901234567"), None);
        assert_eq!(parse_rid(b"r0-h_1"), Some("r0-h_1"));
        assert_eq!(parse_rid(b"r;0"), None);
    }

    proptest! {
        #[test]
        fn every_value_of_the_wire_survives(bytes: [u8; 16]) {
            let one = &bytes[..1];
            prop_assert_eq!(AudioLevel::parse(one).map(AudioLevel::to_bytes), Some([bytes[0]]));
            let orientation = VideoOrientation::parse(one).map(VideoOrientation::to_bytes);
            prop_assert_eq!(orientation, Some([bytes[0] & 0x0f]));
            let three = [bytes[0], bytes[1], bytes[2]];
            prop_assert_eq!(AbsSendTime::parse(&three).map(AbsSendTime::to_bytes), Some(three));
            prop_assert_eq!(TransmissionOffset::parse(&three).map(TransmissionOffset::to_bytes), Some(three));
            if let Some(delay) = PlayoutDelay::parse(&three) {
                prop_assert_eq!(delay.to_bytes(), three);
            }
            for len in [8, 16] {
                let value = AbsCaptureTime::parse(&bytes[..len]).expect("a fitting length");
                prop_assert_eq!(value.value_len(), len);
                prop_assert_eq!(&value.to_bytes()[..len], &bytes[..len]);
            }
        }

        #[test]
        fn send_time_of_ntp_and_duration_agree(seconds in 0u64..4_000_000_000, nanos in 0u32..1_000_000_000) {
            let unix = Duration::new(seconds, nanos);
            // The NTP epoch is a whole number of 64 s cycles away from the Unix epoch.
            let by_ntp = AbsSendTime::from_ntp(NtpTime::from_unix(unix));
            let by_unix = AbsSendTime::from_duration(unix);
            let tick = by_ntp.as_u24().wrapping_sub(by_unix.as_u24()) & 0x00ff_ffff;
            prop_assert!(tick <= 1);
        }
    }
}
