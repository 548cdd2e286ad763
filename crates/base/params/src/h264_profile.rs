//! H.264 `profile-level-id` (RFC 6184 §8.1): which profile it names, and which one two sides agree on.

use crate::rtp_parameters::CodecParameters;

/// Profiles of H.264 that RTP uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    Baseline,
    ConstrainedBaseline,
    ConstrainedHigh,
    High,
    Main,
    PredictiveHigh444,
}

/// Levels in ascending order; `L1B` lies between 1 and 1.1 (H.264 table A-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    L1,
    L1B,
    /// Ten times the level number, from 11.
    Tenfold(u8),
}

/// A profile at a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProfileLevel {
    pub(crate) profile: Profile,
    pub(crate) level: Level,
}

/// What a missing `profile-level-id` stands for: constrained baseline 3.1, the profile that every WebRTC endpoint has
/// (RFC 7742 §6.2).
const DEFAULT: ProfileLevel = ProfileLevel {
    profile: Profile::ConstrainedBaseline,
    level: Level::Tenfold(31),
};

/// Bit of `profile-iop` that turns level 1.1 into 1b in the baseline, main and extended profiles.
const CONSTRAINT_SET3: u8 = 0x10;

/// Rows of RFC 6184 table 5: `profile_idc`, bits of `profile-iop` that matter, their values.
const PROFILES: [(u8, u8, u8, Profile); 9] = [
    (0x42, 0b0100_1111, 0b0100_0000, Profile::ConstrainedBaseline),
    (0x4d, 0b1000_1111, 0b1000_0000, Profile::ConstrainedBaseline),
    (0x58, 0b1100_1111, 0b1100_0000, Profile::ConstrainedBaseline),
    (0x42, 0b0100_1111, 0b0000_0000, Profile::Baseline),
    (0x58, 0b1100_1111, 0b1000_0000, Profile::Baseline),
    (0x4d, 0b1010_1111, 0b0000_0000, Profile::Main),
    (0x64, 0b1111_1111, 0b0000_0000, Profile::High),
    (0x64, 0b1111_1111, 0b0000_1100, Profile::ConstrainedHigh),
    (0xf4, 0b1111_1111, 0b0000_0000, Profile::PredictiveHigh444),
];

impl ProfileLevel {
    /// From six hexadecimal digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() != 6 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let [_, idc, iop, level] = u32::from_str_radix(text, 16).ok()?.to_be_bytes();
        let level = match level {
            10 => Level::L1,
            11 if matches!(idc, 0x42 | 0x4d | 0x58) && iop & CONSTRAINT_SET3 != 0 => Level::L1B,
            11..=13 | 20..=22 | 30..=32 | 40..=42 | 50..=52 => Level::Tenfold(level),
            _ => return None,
        };
        let (.., profile) = PROFILES
            .iter()
            .find(|(row_idc, mask, value, _)| *row_idc == idc && iop & mask == *value)?;
        Some(Self {
            profile: *profile,
            level,
        })
    }

    /// Six hexadecimal digits; `None` for a pair that has none (level 1b of the high profiles).
    pub(crate) fn text(self) -> Option<String> {
        let level = match self.level {
            Level::L1 => 10,
            Level::L1B => {
                return match self.profile {
                    Profile::ConstrainedBaseline => Some("42f00b".to_owned()),
                    Profile::Baseline => Some("42100b".to_owned()),
                    Profile::Main => Some("4d100b".to_owned()),
                    _ => None,
                };
            }
            Level::Tenfold(level) => level,
        };
        let profile = match self.profile {
            Profile::Baseline => "4200",
            Profile::ConstrainedBaseline => "42e0",
            Profile::ConstrainedHigh => "640c",
            Profile::High => "6400",
            Profile::Main => "4d00",
            Profile::PredictiveHigh444 => "f400",
        };
        Some(format!("{profile}{level:02x}"))
    }
}

/// Name of the codec parameter.
pub(crate) const PROFILE_LEVEL_ID: &str = "profile-level-id";

/// Outcome of comparing two sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Agreement {
    /// They differ in profile, or one is unreadable.
    None,
    /// Neither side names a profile.
    Unstated,
    /// What `local` shall use.
    ProfileLevelId(String),
}

/// Which `profile-level-id` a side with parameters `local` uses towards one with `remote`.
pub(crate) fn agree(local: &CodecParameters, remote: &CodecParameters) -> Agreement {
    let (Some(local_pair), Some(remote_pair)) = (profile_level(local), profile_level(remote))
    else {
        return Agreement::None;
    };
    if local_pair.profile != remote_pair.profile {
        return Agreement::None;
    }
    let stated = |side: &CodecParameters| side.value(PROFILE_LEVEL_ID).is_some();
    if !stated(local) && !stated(remote) {
        return Agreement::Unstated;
    }
    let asymmetric = |side: &CodecParameters| side.number("level-asymmetry-allowed") == Some(1);
    let level = if asymmetric(local) && asymmetric(remote) {
        local_pair.level
    } else {
        local_pair.level.min(remote_pair.level)
    };
    let answer = ProfileLevel {
        profile: local_pair.profile,
        level,
    };
    answer
        .text()
        .map_or(Agreement::None, Agreement::ProfileLevelId)
}

/// What the parameters name, or the default; `None`: unreadable.
fn profile_level(parameters: &CodecParameters) -> Option<ProfileLevel> {
    match parameters.text(PROFILE_LEVEL_ID) {
        Some(text) => ProfileLevel::parse(&text),
        None => Some(DEFAULT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(text: &str) -> Option<Profile> {
        ProfileLevel::parse(text).map(|pair| pair.profile)
    }

    #[test]
    fn each_row_of_the_profile_table_is_recognised() {
        let rows = [
            ("42e01f", Some(Profile::ConstrainedBaseline)),
            ("42c02a", Some(Profile::ConstrainedBaseline)),
            ("4de01f", Some(Profile::ConstrainedBaseline)),
            ("58f01f", Some(Profile::ConstrainedBaseline)),
            ("42001f", Some(Profile::Baseline)),
            ("42a01f", Some(Profile::Baseline)),
            ("58a01f", Some(Profile::Baseline)),
            ("4d001f", Some(Profile::Main)),
            ("4D401f", Some(Profile::Main)),
            ("4d0032", Some(Profile::Main)),
            ("64001f", Some(Profile::High)),
            ("640c1f", Some(Profile::ConstrainedHigh)),
            ("f4001f", Some(Profile::PredictiveHigh444)),
            ("", None),
            ("42e01", None),
            ("42e01ff", None),
            ("+2e01f", None),
            ("42e000", None),
            ("42e00f", None),
            ("42e0ff", None),
            ("42e11f", None),
            ("58601f", None),
            ("64e01f", None),
        ];
        for (text, expected) in rows {
            assert_eq!(profile(text), expected, "{text}");
        }
    }

    #[test]
    fn level_1b_lies_between_1_and_1_1() {
        let level = |text| ProfileLevel::parse(text).map(|pair| pair.level);
        assert_eq!(level("42f00b"), Some(Level::L1B));
        assert_eq!(level("42100b"), Some(Level::L1B));
        assert_eq!(level("42e00b"), Some(Level::Tenfold(11)));
        assert!(Level::L1 < Level::L1B && Level::L1B < Level::Tenfold(11));
        for text in ["42f00b", "42100b", "4d100b", "42e00a", "640c2a", "f40034"] {
            let pair = ProfileLevel::parse(text).expect("valid");
            assert_eq!(pair.text().as_deref(), Some(text));
        }
    }

    fn with(id: &str, asymmetry: u32) -> CodecParameters {
        CodecParameters::default()
            .with_text(PROFILE_LEVEL_ID, id)
            .with_number("level-asymmetry-allowed", asymmetry)
    }

    #[test]
    fn the_level_is_our_own_with_asymmetry_and_the_lower_one_without() {
        let id = |text: &str| Agreement::ProfileLevelId(text.to_owned());
        assert_eq!(agree(&with("42e034", 1), &with("42e01f", 1)), id("42e034"));
        assert_eq!(agree(&with("42e034", 1), &with("42e01f", 0)), id("42e01f"));
        assert_eq!(agree(&with("42e015", 0), &with("42e01f", 1)), id("42e015"));
        assert_eq!(
            agree(&with("42001f", 1), &with("42e01f", 1)),
            Agreement::None
        );
        assert_eq!(
            agree(&with("nonsense", 1), &with("42e01f", 1)),
            Agreement::None
        );
    }

    #[test]
    fn a_missing_id_is_constrained_baseline_3_1() {
        let none = CodecParameters::default();
        assert_eq!(agree(&none, &none), Agreement::Unstated);
        assert_eq!(
            agree(&none, &with("42e028", 0)),
            Agreement::ProfileLevelId("42e01f".to_owned())
        );
        assert_eq!(agree(&none, &with("4d001f", 0)), Agreement::None);
    }
}
