//! What a worker logs.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// How much a worker logs, and of what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogOptions {
    /// Lines above this are left out.
    pub level: LogLevel,
    /// Parts of which everything up to the level is logged; of others only warnings and errors are.
    pub tags: Vec<LogTag>,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            level: LogLevel::Info,
            tags: LogTag::ALL.to_vec(),
        }
    }
}

macro_rules! words {
    ($(#[$about:meta])* $name:ident, $unknown:literal, $($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        #[expect(clippy::exhaustive_enums, reason = "node and worker are the same build")]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name in settings and requests.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord {
                        what: $unknown,
                        word: text.to_owned(),
                        known: &[$($word),+],
                    }),
                }
            }
        }
    };
}

words! {
    /// How much is logged.
    LogLevel, "level",
    /// Nothing.
    None = "none",
    /// What an operator must look after.
    Error = "error",
    /// What went wrong and was got over.
    Warn = "warn",
    /// Life and death.
    Info = "info",
    /// Every change of state.
    Debug = "debug",
    /// Everything.
    Trace = "trace",
}

words! {
    /// Parts of a worker, under the names that mediasoup gives them.
    LogTag, "tag",
    /// What belongs to no other.
    Info = "info",
    /// Connectivity checks.
    Ice = "ice",
    /// Handshakes.
    Dtls = "dtls",
    /// Media streams.
    Rtp = "rtp",
    /// Encryption of media.
    Srtp = "srtp",
    /// Reports and feedback.
    Rtcp = "rtcp",
    /// Retransmissions.
    Rtx = "rtx",
    /// Bandwidth estimation.
    Bwe = "bwe",
    /// Scores of producers and consumers.
    Score = "score",
    /// Choice among simulcast streams.
    Simulcast = "simulcast",
    /// Choice among layers of a stream.
    Svc = "svc",
    /// Data channels.
    Sctp = "sctp",
}

/// A word that is no level, or no tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownWord {
    what: &'static str,
    word: String,
    known: &'static [&'static str],
}

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, word, known } = self;
        let known = known.join(", ");
        write!(f, "there is no log {what} `{word}`: it is one of {known}")
    }
}

impl std::error::Error for UnknownWord {}

impl LogOptions {
    /// From the words of settings: a level, and tags with spaces or commas between them.
    pub fn parse(level: &str, tags: &str) -> Result<Self, UnknownWord> {
        let tags = tags.split([' ', ',']).filter(|tag| !tag.is_empty());
        Self::from_words(level, tags)
    }

    /// From a level and tags, each of them once.
    pub fn from_words<'a>(
        level: &str,
        tags: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, UnknownWord> {
        let mut known = Vec::new();
        for tag in tags {
            let tag = tag.parse()?;
            if !known.contains(&tag) {
                known.push(tag);
            }
        }
        Ok(Self {
            level: level.parse()?,
            tags: known,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_unknown_ones_are_named() {
        let options = LogOptions::parse("debug", "ice, dtls ice").expect("known");
        assert_eq!(options.tags, [LogTag::Ice, LogTag::Dtls]);
        assert_eq!(options.level, LogLevel::Debug);
        let error = LogOptions::parse("info", "ice icy").expect_err("unknown");
        assert!(error.to_string().contains("`icy`"), "{error}");
        let error = LogOptions::parse("loud", "").expect_err("unknown");
        assert!(error.to_string().contains("none, error, warn"), "{error}");
        for tag in LogTag::ALL {
            assert_eq!(tag.as_str().parse(), Ok(*tag));
        }
    }
}
