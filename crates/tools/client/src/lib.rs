//! A native WebRTC client of a Plenum node, for programs without a browser: bots, recorders, load generators, desktop and
//! embedded applications.
//!
//! It has two layers, and either can be used alone:
//!
//! * [`peer`]: one WebRTC transport as a state machine. ICE (the controlling side), DTLS, SRTP, retransmissions, reports
//!   and congestion feedback, a pure function of datagrams and the [`Instant`](std::time::Instant) it is given.
//! * [`Client`]: a participant of a room, driven by tokio. It signals in one of three [dialects](Dialect), follows
//!   redirects, comes back when its connection breaks, publishes [sources](source) and hands what it receives to
//!   [sinks](sink). Media is moved by the threads of a [`Media`], each of which serves hundreds of clients.
//!
//! ```no_run
//! # async fn run() -> Result<(), plenum_client::ClientError> {
//! use plenum_client::{Client, ClientConfig, Codec, Event, Media, MediaOptions, Publication, source::Synthetic};
//!
//! let media = Media::start(MediaOptions::default())?;
//! let config = ClientConfig::new("https://localhost:4443", "lobby").peer("bot");
//! let (client, mut events) = Client::join(config, &media).await?;
//! let camera = Synthetic::video(Codec::Vp8, 1_000_000);
//! client.publish(Publication::video(Codec::Vp8, camera)).await?;
//! while let Some(event) = events.next().await {
//!     if let Event::Consumer(consumer) = event {
//!         println!("{} sends {:?}", consumer.peer_id.as_deref().unwrap_or("somebody"), consumer.kind);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! How long each step of joining takes is told to a [`Hook`]; what came and went stands in [`Client::stats`], and for all
//! clients of a thread together in [`Media::figures`].
#![forbid(unsafe_code)]

mod client;
mod config;
mod consumer;
mod error;
pub mod file;
#[doc(hidden)]
pub mod fuzzing;
mod histogram;
mod media;
mod network;
pub mod peer;
mod publication;
mod signalling;
pub mod sink;
pub mod source;
mod stats;
mod steps;
mod tls;

pub use client::{Client, Ended, Event, Events};
pub use config::{ClientConfig, Dialect, Reconnect, SinkFactory, Subscription};
pub use consumer::{Consumer, Layers};
pub use error::{ClientError, Refusal};
pub use histogram::Histogram;
pub use media::{Media, MediaFigures, MediaOptions, ThreadFigures};
pub use network::{Link, Network};
pub use plenum_ids::{ConsumerId, ProducerId};
pub use plenum_params::media::MediaKind;
pub use publication::{Codec, Encoding, Producer, Publication};
pub use stats::{ClientStats, Received, ReceivedStream, Sent, SentStream, TransportState};
pub use steps::{Hook, Stage, Step};
pub use tls::Tls;
