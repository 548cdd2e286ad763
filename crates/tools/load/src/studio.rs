//! What peers send: made up, encoded clips, or packets of a real sender's sizes. Files are read once, and shared by all.

use std::path::{Path, PathBuf};

use plenum_client::{
    ClientError, Codec, Encoding, Publication,
    file::FileError,
    source::{
        Clip, FileSource, ScalabilityMode, Several, Source, Synthetic, Trace, TraceError,
        TraceSource,
    },
};

use crate::options::VideoCodec;

/// What was written; `None` and empty lists were not.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wishes<'a> {
    pub(crate) video: &'a [String],
    pub(crate) audio: Option<&'a str>,
    pub(crate) codec: Option<VideoCodec>,
    pub(crate) bitrate: Option<u32>,
    pub(crate) simulcast: bool,
    pub(crate) svc: Option<&'a str>,
}

/// Sends what all peers of a run send.
#[derive(Clone, Debug)]
pub struct Studio {
    pictures: Pictures,
    sound: Sound,
    codec: Codec,
    mode: Option<ScalabilityMode>,
    video: String,
    audio: String,
}

#[derive(Clone, Debug)]
enum Pictures {
    /// Bits a second of each stream, smallest first.
    Synthetic(Vec<u32>),
    Clips(Vec<Clip>),
    Traces(Vec<Trace>),
}

#[derive(Clone, Debug)]
enum Sound {
    Synthetic,
    Clip(Clip),
    Trace(Trace),
}

/// Why something cannot be sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StudioError {
    /// Clips and traces have rates of their own.
    #[error("--video-bitrate is for synthetic pictures: {0} has a rate of its own")]
    Bitrate(String),
    /// One built-in clip, and another codec or more sizes than there are.
    #[error("a clip in three sizes is built in for VP8 alone")]
    BuiltIn,
    /// A clip that cannot be read.
    #[error("{path} cannot be sent")]
    Clip {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<ClientError>,
    },
    /// A clip that is built in cannot be read.
    #[error("a clip that is built in is broken")]
    Damaged(#[source] FileError),
    /// Not what the words say.
    #[error("{path} is {found:?}, and not {wanted}")]
    Kind {
        /// Which.
        path: String,
        /// What it holds.
        found: Codec,
        /// What was asked for.
        wanted: String,
    },
    /// Not a mode, or not one of what is sent.
    #[error("--svc {mode}: {why}")]
    Mode {
        /// As it was written.
        mode: String,
        /// What is wrong with it.
        why: String,
    },
    /// Neither one stream nor several.
    #[error("--video names {0}: one, or two or three of a kind for --simulcast, smallest first")]
    Streams(usize),
    /// A trace that cannot be read.
    #[error("trace {path} cannot be sent")]
    Trace {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: TraceError,
    },
}

/// What a camera in a meeting of many sends.
const DEFAULT_BITRATE: u32 = 500_000;

/// Opus as browsers send it.
const AUDIO_BITRATE: u32 = 32_000;

/// What browsers make of the two smaller sizes: a half and a quarter of the width, which need about these shares.
const SIMULCAST: [u32; 3] = [10, 35, 100];

/// Clips that are built in: `cargo xtask clips` has made them.
mod built_in {
    use plenum_client::Codec;

    pub(super) const VP8: [&[u8]; 3] = [
        include_bytes!("../media/vp8-90p.ivf"),
        include_bytes!("../media/vp8-180p.ivf"),
        include_bytes!("../media/vp8-360p.ivf"),
    ];
    /// Layers of the one of VP9.
    pub(super) const VP9_MODE: (u8, u8) = (3, 3);
    /// A small picture of a meeting, and a voice: traces that tests have, too.
    pub(super) const TRACE: &str = include_str!("../../testkit/traces/vp8-350k.csv");
    pub(super) const VOICE: &str = include_str!("../../testkit/traces/opus.csv");

    pub(super) const fn clip(codec: Codec) -> &'static [u8] {
        match codec {
            Codec::Av1 => include_bytes!("../media/av1-360p.ivf"),
            Codec::H264 => include_bytes!("../media/h264-360p.h264"),
            Codec::Vp9 => include_bytes!("../media/vp9-L3T3.ivf"),
            _ => VP8[2],
        }
    }
}

impl Studio {
    pub(crate) fn new(wishes: &Wishes<'_>) -> Result<Self, StudioError> {
        let asked = wishes.svc.map(parse_mode).transpose()?;
        let wanted = wishes.codec.map(VideoCodec::codec);
        let codec = match (wanted, asked) {
            (Some(codec), _) => codec,
            (None, Some(_)) => Codec::Vp9,
            (None, None) => Codec::Vp8,
        };
        let streams = wishes.video.len().max(1);
        let is_simulcast = wishes.simulcast || streams > 1;
        if streams > SIMULCAST.len() || (is_simulcast && asked.is_some()) {
            return Err(StudioError::Streams(streams));
        }
        let first = wishes.video.first().map_or("synthetic", String::as_str);
        if let (Some(_), true) = (wishes.bitrate, first != "synthetic") {
            return Err(StudioError::Bitrate(first.to_owned()));
        }
        let audio = wishes.audio.unwrap_or_else(|| default_audio(first));
        let mut studio = Self {
            pictures: Pictures::Synthetic(Vec::new()),
            sound: sound(audio)?,
            codec,
            mode: None,
            video: wishes.video.join(","),
            audio: audio.to_owned(),
        };
        studio.pictures = match first {
            "synthetic" if streams == 1 => {
                let bitrate = wishes.bitrate.unwrap_or(DEFAULT_BITRATE);
                let shares = |share| (bitrate / 100).max(1) * share;
                let simulcast = is_simulcast.then(|| SIMULCAST.map(shares).to_vec());
                studio.mode = asked;
                Pictures::Synthetic(simulcast.unwrap_or_else(|| vec![bitrate]))
            }
            "clip" if streams == 1 => studio.built_in(is_simulcast)?,
            _ if is_simulcast && streams == 1 => return Err(StudioError::Streams(1)),
            _ if is_trace(first) => Pictures::Traces(traces(wishes.video)?),
            _ => {
                let clips = clips(wishes.video, wanted)?;
                studio.codec = clips.first().map_or(codec, Clip::codec);
                studio.mode = clips.first().and_then(clip_mode);
                Pictures::Clips(clips)
            }
        };
        if studio.video.is_empty() {
            "synthetic".clone_into(&mut studio.video);
        }
        studio.check_mode(asked)?;
        Ok(studio)
    }

    fn built_in(&mut self, is_simulcast: bool) -> Result<Pictures, StudioError> {
        let parse = |bytes| Clip::parse(bytes).map_err(StudioError::Damaged);
        if is_simulcast {
            if self.codec != Codec::Vp8 {
                return Err(StudioError::BuiltIn);
            }
            let clips = built_in::VP8.into_iter().map(parse);
            return Ok(Pictures::Clips(clips.collect::<Result<_, _>>()?));
        }
        if self.codec == Codec::Vp9 {
            let (spatial, temporal) = built_in::VP9_MODE;
            self.mode = ScalabilityMode::new(spatial, temporal);
        }
        Ok(Pictures::Clips(vec![parse(built_in::clip(self.codec))?]))
    }

    /// Layers are those of what is sent, and can be told.
    fn check_mode(&mut self, asked: Option<ScalabilityMode>) -> Result<(), StudioError> {
        let Some(asked) = asked else { return Ok(()) };
        let refuse = |why: &str| {
            Err(StudioError::Mode {
                mode: asked.to_string(),
                why: why.to_owned(),
            })
        };
        if self.codec != Codec::Vp9 {
            return refuse("only streams of VP9 say which layers they have");
        }
        match &self.pictures {
            Pictures::Traces(_) => {
                return refuse("a trace does not say which packet is of which layer");
            }
            Pictures::Clips(clips) => {
                let spatial = clips.first().map_or(1, Clip::spatial_layers);
                if spatial != asked.spatial() {
                    return refuse(&format!("the clip has {spatial} spatial layers"));
                }
            }
            Pictures::Synthetic(_) => {}
        }
        self.mode = Some(asked);
        Ok(())
    }

    /// Pictures of one peer.
    pub fn camera(&self, number: u32) -> Publication {
        let codec = self.codec;
        let sources: Vec<(Box<dyn Source>, u32)> = match &self.pictures {
            Pictures::Synthetic(bitrates) => return self.made_up(bitrates),
            Pictures::Clips(clips) => {
                let send = |clip: &Clip| {
                    let mut source = FileSource::new(clip.clone()).key_frames_on_demand();
                    if let Some(mode) = self.mode {
                        source = source.layers(mode);
                    }
                    (Box::new(source) as Box<dyn Source>, clip.bitrate())
                };
                clips.iter().map(send).collect()
            }
            Pictures::Traces(traces) => {
                let send = |trace: &Trace| {
                    let source = TraceSource::new(codec, trace.clone()).starting_at(share(number));
                    (Box::new(source) as Box<dyn Source>, trace.bitrate())
                };
                traces.iter().map(send).collect()
            }
        };
        let (sources, bitrates): (Vec<_>, Vec<_>) = sources.into_iter().unzip();
        let is_simulcast = sources.len() > 1;
        let publication = Publication::video(codec, Several::new(sources));
        if is_simulcast {
            return publication.simulcast(Synthetic::encodings(&bitrates));
        }
        self.layered(publication)
    }

    fn made_up(&self, bitrates: &[u32]) -> Publication {
        if let ([bitrate], Some(mode)) = (bitrates, self.mode) {
            let source = Synthetic::layered(*bitrate, mode);
            return self.layered(Publication::video(self.codec, source));
        }
        let publication =
            Publication::video(self.codec, Synthetic::simulcast(self.codec, bitrates));
        if bitrates.len() > 1 {
            return publication.simulcast(Synthetic::encodings(bitrates));
        }
        publication
    }

    fn layered(&self, publication: Publication) -> Publication {
        let Some(mode) = self.mode else {
            return publication;
        };
        publication.simulcast(vec![Encoding {
            scalability_mode: Some(mode.to_string()),
            ..Encoding::default()
        }])
    }

    /// Sound of one peer.
    pub fn microphone(&self, number: u32) -> Publication {
        match &self.sound {
            Sound::Synthetic => Publication::audio(Synthetic::audio(AUDIO_BITRATE)),
            Sound::Clip(clip) => Publication::audio(FileSource::new(clip.clone())),
            Sound::Trace(trace) => {
                let source = TraceSource::new(Codec::Opus, trace.clone());
                Publication::audio(source.starting_at(share(number)))
            }
        }
    }

    /// How pictures are encoded.
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// Layers within a stream.
    pub const fn mode(&self) -> Option<ScalabilityMode> {
        self.mode
    }

    /// Whether pictures are sent in several sizes.
    pub const fn is_simulcast(&self) -> bool {
        self.streams() > 1
    }

    const fn streams(&self) -> usize {
        match &self.pictures {
            Pictures::Synthetic(bitrates) => bitrates.len(),
            Pictures::Clips(clips) => clips.len(),
            Pictures::Traces(traces) => traces.len(),
        }
    }

    /// Bits a second of pictures, of the largest stream where there are several.
    pub fn bitrate(&self) -> u32 {
        let largest = match &self.pictures {
            Pictures::Synthetic(bitrates) => bitrates.last().copied(),
            Pictures::Clips(clips) => clips.last().map(Clip::bitrate),
            Pictures::Traces(traces) => traces.last().map(Trace::bitrate),
        };
        largest.unwrap_or_default()
    }

    /// What pictures are, as it was written.
    pub fn video_name(&self) -> &str {
        &self.video
    }

    /// What sound is, as it was written.
    pub fn audio_name(&self) -> &str {
        &self.audio
    }
}

/// Where in a trace a peer begins: spread evenly however many they are (the golden ratio's multiples).
fn share(number: u32) -> f64 {
    (f64::from(number) * 0.618_033_988_749_895).fract()
}

/// Who wants a real sender's pictures wants its sound.
fn default_audio(video: &str) -> &'static str {
    if is_trace(video) {
        "trace"
    } else {
        "synthetic"
    }
}

fn is_trace(name: &str) -> bool {
    name == "trace" || name.starts_with("trace:")
}

fn parse_mode(text: &str) -> Result<ScalabilityMode, StudioError> {
    text.parse()
        .map_err(|error: plenum_client::source::NoMode| StudioError::Mode {
            mode: text.to_owned(),
            why: error.to_string(),
        })
}

/// Of a clip with spatial layers: that there are some.
fn clip_mode(clip: &Clip) -> Option<ScalabilityMode> {
    ScalabilityMode::new(clip.spatial_layers(), 1)
}

fn clips(paths: &[String], wanted: Option<Codec>) -> Result<Vec<Clip>, StudioError> {
    let mut clips: Vec<Clip> = Vec::new();
    for path in paths {
        let clip = open(path)?;
        let wanted = wanted.or_else(|| clips.first().map(Clip::codec));
        let is_other = wanted.is_some_and(|codec| codec != clip.codec());
        if is_other || clip.codec() == Codec::Opus {
            return Err(StudioError::Kind {
                path: path.clone(),
                found: clip.codec(),
                wanted: wanted.map_or("pictures", Codec::name).to_owned(),
            });
        }
        clips.push(clip);
    }
    Ok(clips)
}

fn open(path: &str) -> Result<Clip, StudioError> {
    Clip::open(Path::new(path)).map_err(|source| StudioError::Clip {
        path: path.into(),
        source: Box::new(source),
    })
}

fn traces(names: &[String]) -> Result<Vec<Trace>, StudioError> {
    names
        .iter()
        .map(|name| trace(name, built_in::TRACE))
        .collect()
}

fn trace(name: &str, built_in: &str) -> Result<Trace, StudioError> {
    let path = name.strip_prefix("trace:");
    let read = match path {
        None if name == "trace" => Trace::parse(built_in),
        // Among traces, what else should a name without its word be.
        path => Trace::read(Path::new(path.unwrap_or(name))),
    };
    read.map_err(|source| StudioError::Trace {
        path: path.unwrap_or(name).into(),
        source,
    })
}

fn sound(name: &str) -> Result<Sound, StudioError> {
    if name == "synthetic" {
        return Ok(Sound::Synthetic);
    }
    if is_trace(name) {
        return trace(name, built_in::VOICE).map(Sound::Trace);
    }
    let clip = open(name)?;
    if clip.codec() != Codec::Opus {
        return Err(StudioError::Kind {
            path: name.to_owned(),
            found: clip.codec(),
            wanted: "sound".to_owned(),
        });
    }
    Ok(Sound::Clip(clip))
}

#[cfg(test)]
#[path = "studio/tests.rs"]
mod tests;
