//! What a client sends.

use std::fmt;

use plenum_ids::ProducerId;
use plenum_params::media::MediaKind;
use serde_json::{Map, Value};

use crate::source::Source;

/// How media is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Codec {
    /// AV1, with the dependency descriptor.
    Av1,
    /// H.264, packetisation mode 1.
    H264,
    /// Opus, two channels.
    Opus,
    /// VP8.
    Vp8,
    /// VP9, profile 0.
    Vp9,
}

/// A stream of a publication.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers fill it with struct update syntax"
)]
pub struct Encoding {
    /// Name of the stream; needed when there are several.
    pub rid: Option<String>,
    /// Upper bound in bit/s that the server is told.
    pub max_bitrate: Option<u32>,
    /// Layers in it, for instance `L1T3`.
    pub scalability_mode: Option<String>,
}

/// Something to send. Made with [`Self::video`] or [`Self::audio`].
pub struct Publication {
    pub(crate) codec: Codec,
    pub(crate) encodings: Vec<Encoding>,
    pub(crate) source: Box<dyn Source>,
    pub(crate) app_data: Map<String, Value>,
    pub(crate) is_paused: bool,
}

/// What is being sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Producer {
    /// Its identifier. It stays when a room moves or the client comes back, where the server allows that.
    pub id: ProducerId,
    /// Sound or pictures.
    pub kind: MediaKind,
}

impl Codec {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Av1, Self::H264, Self::Opus, Self::Vp8, Self::Vp9];

    /// Sound or pictures.
    pub const fn kind(self) -> MediaKind {
        match self {
            Self::Opus => MediaKind::Audio,
            Self::Av1 | Self::H264 | Self::Vp8 | Self::Vp9 => MediaKind::Video,
        }
    }

    /// The second half of its MIME type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Av1 => "AV1",
            Self::H264 => "H264",
            Self::Opus => "opus",
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
        }
    }

    /// The codec with this name, in letters of either case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|codec| codec.name().eq_ignore_ascii_case(name))
    }

    /// Ticks of its RTP clock in a second.
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::Av1 | Self::H264 | Self::Vp8 | Self::Vp9 => 90_000,
        }
    }
}

impl Publication {
    /// Pictures in one stream, unless [`Self::simulcast`] or [`Self::layers`] says otherwise.
    pub fn video(codec: Codec, source: impl Source) -> Self {
        Self::new(codec, source, "video")
    }

    /// Sound.
    pub fn audio(source: impl Source) -> Self {
        Self::new(Codec::Opus, source, "audio")
    }

    fn new(codec: Codec, source: impl Source, source_name: &str) -> Self {
        let app_data = [("source".to_owned(), Value::from(source_name))];
        Self {
            codec,
            encodings: vec![Encoding::default()],
            source: Box::new(source),
            app_data: app_data.into_iter().collect(),
            is_paused: false,
        }
    }

    /// Several streams of different size, lowest first. The source's frames say to which stream they belong.
    #[must_use]
    pub fn simulcast(mut self, encodings: Vec<Encoding>) -> Self {
        self.encodings = encodings;
        self
    }

    /// Layers within each stream, for instance `L3T3_KEY`.
    #[must_use]
    pub fn layers(mut self, scalability_mode: &str) -> Self {
        for encoding in &mut self.encodings {
            encoding.scalability_mode = Some(scalability_mode.to_owned());
        }
        self
    }

    /// What the room is told of it. By default `source` is `audio` or `video`.
    #[must_use]
    pub fn app_data(mut self, app_data: Map<String, Value>) -> Self {
        self.app_data = app_data;
        self
    }

    /// Begins paused.
    #[must_use]
    pub const fn paused(mut self) -> Self {
        self.is_paused = true;
        self
    }
}

impl fmt::Debug for Publication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publication")
            .field("codec", &self.codec)
            .field("encodings", &self.encodings)
            .field("begins_at", &self.source.due())
            .finish_non_exhaustive()
    }
}
