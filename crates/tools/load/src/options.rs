//! The command line, or a file in its place, and what both come to.

use std::{fs, path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueEnum};
use plenum_client::Codec;
use serde::{Deserialize, Serialize};

use crate::{
    assertion::{Assertion, AssertionError},
    duration,
    scenario::{self, Kind, Part, ScenarioError, Shape},
    studio::{Studio, StudioError, Wishes},
};

/// `plenum load`.
#[derive(Args, Clone, Debug)]
pub struct LoadArgs {
    #[command(subcommand)]
    scenario: ScenarioArgs,
}

#[derive(Clone, Debug, Subcommand)]
enum ScenarioArgs {
    /// Everybody sends and receives sound and pictures.
    #[command(after_help = "Examples:
  plenum load meeting --peers 10 --duration 10s
  plenum load meeting --rooms 20 --peers 5 --simulcast --duration 1m --html report.html
  plenum load meeting --video clip --codec vp9 --duration 30s
  plenum load meeting --peers 25 --video-bitrate 350k --assert 'loss<=0.1%' --assert 'join.p99<300ms'
  plenum load meeting --url https://a.example.org --url https://b.example.org --key token.secret")]
    Meeting(Flags),
    /// Some send, everybody else only receives.
    #[command(after_help = "Examples:
  plenum load webinar --peers 200 --publishers 2 --duration 1m
  plenum load webinar --peers 500 --video-bitrate 2500k --json | jq .media.received")]
    Webinar(Flags),
    /// Everybody sends sound, and nobody pictures.
    #[command(after_help = "Examples:
  plenum load audio --peers 50 --duration 30s
  plenum load audio --rooms 10 --peers 20 --loss 3 --assert 'loss<1%'")]
    Audio(Flags),
    /// Many come at once, or so many a second, to a room that has people.
    #[command(after_help = "Examples:
  plenum load join-storm                                      50 at once to 46 viewers and a publisher, over Socket.IO
  plenum load join-storm --rounds 20 --assert 'join.p99<=100ms' --assert 'first_packet.p99<=300ms'
  plenum load join-storm --dialect fast --joins 500 --stay 10s
  plenum load join-storm --joins 600 --rate 100 --dialect classic")]
    JoinStorm(Flags),
    /// Some stay; others come and go all the time.
    #[command(after_help = "Examples:
  plenum load churn --rate 20 --stay 3s --duration 1m
  plenum load churn --rooms 30 --peers 2 --rate 300 --stay 2s --duration 1m --assert 'errors==0'")]
    Churn(Flags),
    /// Meetings, a webinar, sound alone, and people who come and go, all at once.
    #[command(after_help = "Examples:
  plenum load mixed --peers 100 --duration 2m
  plenum load mixed --peers 300 --html report.html --json > report.json")]
    Mixed(Flags),
    /// What a file says.
    #[command(after_help = "Examples:
  plenum load run evening.toml --html report.html

A file has the flags' names, with _ for -, and one or several scenarios:

  url = [\"https://a.example.org\", \"https://b.example.org\"]
  duration = \"2m\"
  assert = [\"join.p99<300ms\", \"errors==0\"]

  [[scenario]]
  kind = \"meeting\"
  rooms = 10
  peers = 5

  [[scenario]]
  kind = \"join-storm\"
  rate = 20.0
  dialect = \"classic\"

What is on the command line as well counts more than the file.")]
    Run {
        /// The file (TOML).
        file: PathBuf,
        #[command(flatten)]
        common: Box<Common>,
    },
}

#[derive(Args, Clone, Debug)]
struct Flags {
    #[command(flatten)]
    shape: Shape,
    #[command(flatten)]
    common: Box<Common>,
}

/// How pictures are encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "names of codecs")]
#[non_exhaustive]
pub enum VideoCodec {
    Av1,
    H264,
    #[default]
    Vp8,
    Vp9,
}

impl VideoCodec {
    pub(crate) const fn codec(self) -> Codec {
        match self {
            Self::Av1 => Codec::Av1,
            Self::H264 => Codec::H264,
            Self::Vp8 => Codec::Vp8,
            Self::Vp9 => Codec::Vp9,
        }
    }
}

/// What all scenarios have; `None` and empty lists were not written.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Common {
    /// Address of a node, or of a balancer or dispatcher; several times for several: peers are spread over them.
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    url: Vec<String>,
    /// How long everything takes; as long as the scenario needs without it.
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    #[serde(deserialize_with = "duration::optional")]
    duration: Option<Duration>,
    /// Name of the room; what names begin with, where there are several.
    #[arg(long, value_name = "NAME")]
    room: Option<String>,
    /// The rooms' namespace.
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// A token that everybody shows.
    #[arg(
        long,
        value_name = "TOKEN",
        env = "PLENUM_TOKEN",
        hide_env_values = true,
        conflicts_with = "key"
    )]
    token: Option<String>,
    /// The private key (PEM) or the secret that a token for each peer is signed with.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The key's name, where nodes have it from a JWKS.
    #[arg(long, value_name = "ID", requires = "key")]
    key_id: Option<String>,
    /// Who signs those tokens (auth.issuer of the nodes).
    #[arg(long, value_name = "NAME", requires = "key")]
    issuer: Option<String>,
    /// Whom those tokens are for (auth.audience of the nodes).
    #[arg(long, value_name = "NAME", requires = "key")]
    audience: Option<String>,
    /// Believe any certificate of the servers.
    #[arg(long)]
    insecure: bool,
    /// How pictures are encoded.
    #[arg(long, value_name = "CODEC")]
    codec: Option<VideoCodec>,
    /// Bits a second of each picture, of the largest stream with --simulcast: 350k, 2500k, 1M.
    #[arg(long, value_name = "RATE", value_parser = bitrate)]
    #[serde(deserialize_with = "optional_bitrate")]
    video_bitrate: Option<u32>,
    /// What pictures are: synthetic, clip (encoded ones that are built in), trace, trace:FILE, or an IVF or .h264 file;
    /// three of them, smallest first, for --simulcast.
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    video: Vec<String>,
    /// What sound is: synthetic, trace, trace:FILE, or an Ogg file with Opus.
    #[arg(long, value_name = "WHAT")]
    audio: Option<String>,
    /// Send pictures in three sizes.
    #[arg(long)]
    simulcast: bool,
    /// Layers within a stream of VP9: L3T3, `L3T3_KEY`, L1T3.
    #[arg(long, value_name = "MODE", conflicts_with = "simulcast")]
    svc: Option<String>,
    /// Packets that are lost on the peers' side, each way, in percent.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    loss: Option<f64>,
    /// Delay on the peers' side, each way.
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    #[serde(deserialize_with = "duration::optional")]
    delay: Option<Duration>,
    /// Up to so much more delay at random, each way.
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    #[serde(deserialize_with = "duration::optional")]
    jitter: Option<Duration>,
    /// Bits a second that a peer can receive: 2M.
    #[arg(long, value_name = "RATE", value_parser = bitrate)]
    #[serde(deserialize_with = "optional_bitrate")]
    bandwidth: Option<u32>,
    /// Threads that move media; half of the cores without it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    threads: Option<u16>,
    /// How long a peer waits for an answer.
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    #[serde(deserialize_with = "duration::optional")]
    timeout: Option<Duration>,
    /// Another seed, another order of what is left to chance.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Print the report as one JSON object.
    #[arg(long)]
    json: bool,
    /// Write the report as a page with charts.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// What must hold, such as 'join.p99<300ms'; several times for several. Exit status 1 if one does not.
    #[arg(long, value_name = "ASSERTION")]
    assert: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct File {
    scenario: Vec<FileScenario>,
    #[serde(flatten)]
    common: toml::Table,
}

#[derive(Debug, Deserialize)]
struct FileScenario {
    kind: Kind,
    #[serde(flatten)]
    shape: toml::Table,
}

/// What a run is told, with nothing left open.
#[derive(Clone, Debug)]
pub struct Options {
    /// What happens.
    pub parts: Vec<Part>,
    /// Where, one at least.
    pub urls: Vec<String>,
    /// How long at most.
    pub duration: Option<Duration>,
    /// Name of the room, or what names begin with.
    pub room: String,
    /// The rooms' namespace.
    pub namespace: Option<String>,
    /// A token for everybody.
    pub token: Option<String>,
    /// What tokens are signed with.
    pub key: Option<PathBuf>,
    /// The key's name.
    pub key_id: Option<String>,
    /// Who signs.
    pub issuer: Option<String>,
    /// Whom tokens are for.
    pub audience: Option<String>,
    /// Whether any certificate holds.
    pub insecure: bool,
    /// What everybody sends who sends.
    pub studio: Studio,
    /// Share of packets that are lost on the peers' side, each way.
    pub loss: f64,
    /// Delay on the peers' side, each way.
    pub delay: Duration,
    /// Up to so much more, each way.
    pub jitter: Duration,
    /// Bits a second that a peer can receive.
    pub bandwidth: Option<u32>,
    /// Threads that move media.
    pub threads: usize,
    /// How long a peer waits for an answer.
    pub timeout: Duration,
    /// Where chance begins.
    pub seed: u64,
    /// Whether the report is printed as JSON.
    pub json: bool,
    /// Where the page goes.
    pub html: Option<PathBuf>,
    /// What must hold.
    pub assertions: Vec<Assertion>,
}

/// Why there is nothing to run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// Not an assertion.
    #[error(transparent)]
    Assertion(#[from] AssertionError),
    /// What is to be sent cannot be.
    #[error(transparent)]
    Studio(#[from] StudioError),
    /// The file cannot be read.
    #[error("{path} cannot be read")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Both a token and a key.
    #[error("a token is shown, or one is signed for each peer: not both")]
    TwoTokens,
    /// The file is not what it should be.
    #[error("{path} is no scenario")]
    Syntax {
        /// Which.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// What is to happen makes no sense.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
}

impl LoadArgs {
    /// Everything that a run needs to know.
    pub fn resolve(self) -> Result<Options, OptionsError> {
        let of = |kind, flags: Flags| -> Result<_, OptionsError> {
            Ok((vec![flags.shape.resolve(kind)?], *flags.common))
        };
        let (parts, common) = match self.scenario {
            ScenarioArgs::Audio(flags) => of(Kind::Audio, flags)?,
            ScenarioArgs::Churn(flags) => of(Kind::Churn, flags)?,
            ScenarioArgs::JoinStorm(flags) => of(Kind::JoinStorm, flags)?,
            ScenarioArgs::Meeting(flags) => of(Kind::Meeting, flags)?,
            ScenarioArgs::Webinar(flags) => of(Kind::Webinar, flags)?,
            ScenarioArgs::Mixed(flags) => (mixed(&flags.shape)?, *flags.common),
            ScenarioArgs::Run { file, common } => read(&file, *common)?,
        };
        common.resolve(parts)
    }
}

/// Of a mixture only its size can be said; who wants more writes a file.
fn mixed(shape: &Shape) -> Result<Vec<Part>, ScenarioError> {
    let rest = Shape {
        peers: None,
        dialect: None,
        ..shape.clone()
    };
    if rest != Shape::default() {
        return Err(ScenarioError::Mixed);
    }
    scenario::mixture(shape.peers.unwrap_or(100), shape.dialect)
}

fn read(path: &PathBuf, flags: Common) -> Result<(Vec<Part>, Common), OptionsError> {
    let text = fs::read_to_string(path).map_err(|source| OptionsError::File {
        path: path.clone(),
        source,
    })?;
    let (scenarios, common) = parse_file(&text).map_err(|source| OptionsError::Syntax {
        path: path.clone(),
        source: Box::new(source),
    })?;
    let parts = scenarios
        .into_iter()
        .map(|(kind, shape)| shape.resolve(kind))
        .collect::<Result<_, _>>()?;
    Ok((parts, flags.over(common)))
}

fn parse_file(text: &str) -> Result<(Vec<(Kind, Shape)>, Common), toml::de::Error> {
    let file: File = toml::from_str(text)?;
    let common = file.common.try_into()?;
    let scenarios = file.scenario.into_iter().map(|scenario| {
        let shape = scenario.shape.try_into()?;
        Ok((scenario.kind, shape))
    });
    Ok((scenarios.collect::<Result<_, toml::de::Error>>()?, common))
}

impl Common {
    /// These, and what they leave open from others.
    fn over(self, under: Self) -> Self {
        let list = |over: Vec<String>, under| if over.is_empty() { under } else { over };
        // A token on the command line takes the place of a key in the file, and the other way round.
        let names_itself = self.token.is_some() || self.key.is_some();
        let (token, key, key_id) = if names_itself {
            (self.token, self.key, self.key_id)
        } else {
            (under.token, under.key, under.key_id)
        };
        Self {
            url: list(self.url, under.url),
            duration: self.duration.or(under.duration),
            room: self.room.or(under.room),
            namespace: self.namespace.or(under.namespace),
            token,
            key,
            key_id,
            issuer: self.issuer.or(under.issuer),
            audience: self.audience.or(under.audience),
            insecure: self.insecure || under.insecure,
            codec: self.codec.or(under.codec),
            video_bitrate: self.video_bitrate.or(under.video_bitrate),
            video: list(self.video, under.video),
            audio: self.audio.or(under.audio),
            // Of what contradicts each other, the command line's holds.
            simulcast: self.simulcast || (under.simulcast && self.svc.is_none()),
            svc: self.svc.or_else(|| under.svc.filter(|_| !self.simulcast)),
            loss: self.loss.or(under.loss),
            delay: self.delay.or(under.delay),
            jitter: self.jitter.or(under.jitter),
            bandwidth: self.bandwidth.or(under.bandwidth),
            threads: self.threads.or(under.threads),
            timeout: self.timeout.or(under.timeout),
            seed: self.seed.or(under.seed),
            json: self.json || under.json,
            html: self.html.or(under.html),
            assert: list(self.assert, under.assert),
        }
    }

    fn resolve(self, parts: Vec<Part>) -> Result<Options, OptionsError> {
        let token = self.token.filter(|token| !token.is_empty());
        if token.is_some() && self.key.is_some() {
            return Err(OptionsError::TwoTokens);
        }
        let urls = if self.url.is_empty() {
            vec![DEFAULT_URL.to_owned()]
        } else {
            self.url
        };
        let studio = Studio::new(&Wishes {
            video: &self.video,
            audio: self.audio.as_deref(),
            codec: self.codec,
            bitrate: self.video_bitrate,
            simulcast: self.simulcast,
            svc: self.svc.as_deref(),
        })?;
        let assertions = self.assert.iter().map(|text| text.parse());
        Ok(Options {
            parts,
            urls,
            duration: self.duration,
            room: self.room.unwrap_or_else(|| "load".to_owned()),
            namespace: self.namespace,
            token,
            key: self.key,
            key_id: self.key_id,
            issuer: self.issuer,
            audience: self.audience,
            insecure: self.insecure,
            studio,
            loss: self.loss.unwrap_or(0.0) / 100.0,
            delay: self.delay.unwrap_or_default(),
            jitter: self.jitter.unwrap_or_default(),
            bandwidth: self.bandwidth,
            threads: self.threads.map_or_else(default_threads, usize::from),
            timeout: self.timeout.unwrap_or(DEFAULT_TIMEOUT),
            seed: self.seed.unwrap_or(DEFAULT_SEED),
            json: self.json,
            html: self.html,
            assertions: assertions.collect::<Result<_, _>>()?,
        })
    }
}

const DEFAULT_URL: &str = "http://localhost:3000";

/// Longer than the patience of clients in the field for a single answer (22.5 s of mediasoup-demo's), so that whatever
/// would have come for them is counted as what it is.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(25);

/// Any; always the same, so that two runs differ by what is measured alone.
const DEFAULT_SEED: u64 = 7;

/// The other half is for signalling, and for a server on the same machine.
fn default_threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (cores / 2).max(1)
}

fn percent(text: &str) -> Result<f64, &'static str> {
    let number = text.trim_end_matches('%').parse().ok();
    number
        .filter(|percent| (0.0..=100.0).contains(percent))
        .ok_or("a number from 0 to 100")
}

/// Bits a second: a number, with `k` or `M` behind it.
fn bitrate(text: &str) -> Result<u32, &'static str> {
    const EXPECTED: &str = "a number of bits a second with k, M or nothing behind it, up to 1000M";
    let digits = text.trim_end_matches(['k', 'M']);
    let scale = match text.get(digits.len()..) {
        Some("") => 1.0,
        Some("k") => 1e3,
        Some("M") => 1e6,
        _ => return Err(EXPECTED),
    };
    let number: f64 = digits.parse().map_err(|_| EXPECTED)?;
    let bits = number * scale;
    if (1.0..=1e9).contains(&bits) {
        Ok(bits as u32)
    } else {
        Err(EXPECTED)
    }
}

fn optional_bitrate<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    let text = String::deserialize(from)?;
    bitrate(&text).map(Some).map_err(serde::de::Error::custom)
}

#[cfg(test)]
#[path = "options/tests.rs"]
mod tests;
