//! Log subscriber set-up.
//!
//! Everything goes to standard error: standard output belongs to subcommands that print results, and a worker's
//! standard input is its control socket.
//!
//! # How to log
//!
//! * **error**: an operator must act. **warn**: we recovered. **info**: life and death of rooms, peers, workers,
//!   nodes. **debug**: per request. **trace**: per packet, and only in tests.
//! * Say who in fields, not in the text, under the names of [`fields`]:
//!   `info!(room = %room_id, peers, "room closed")`. A task or request opens one span with them, and everything
//!   inside inherits it: `info_span!("room", room = %room_id)`.
//! * Log an error once, where it is handled, with its whole chain: `error = %format_args!("{error:#}")` for
//!   `anyhow`, or `plenum_api::error::chain` for others. Text never repeats what a field says.
//! * Never log ICE passwords, keys or tokens; never a line per packet.
#![forbid(unsafe_code)]

use std::fmt;
use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

mod line_queue;

use line_queue::LineQueue;

/// Names of fields that several crates log.
pub mod fields {
    /// Node identifier.
    pub const NODE: &str = "node";
    /// Worker number.
    pub const WORKER: &str = "worker";
    /// Room name.
    pub const ROOM: &str = "room";
    /// Peer identifier.
    pub const PEER: &str = "peer";
    /// Transport identifier.
    pub const TRANSPORT: &str = "transport";
    /// Chain of causes of an error.
    pub const ERROR: &str = "error";
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "for people and for machines")]
pub enum Format {
    /// One JSON object per line.
    Json,
    /// For people; coloured on a terminal.
    Text,
}

/// Why logging could not be set up.
#[derive(Debug)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The level is no level and no filter.
    Level(ParseError),
    /// A subscriber is installed already.
    Installed(TryInitError),
    /// The log whose level is to change is gone.
    Gone(reload::Error),
}

impl fmt::Display for TelemetryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Level(_) => "log.level is neither a level nor a filter",
            Self::Installed(_) => "logging is set up twice",
            Self::Gone(_) => "the log is gone",
        })
    }
}

impl std::error::Error for TelemetryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Level(source) => Some(source),
            Self::Installed(source) => Some(source),
            Self::Gone(source) => Some(source),
        }
    }
}

/// Sets up logging of this process, once. `level` is a level (`info`) or a filter (`info,plenum_signal=debug`).
pub fn init(level: &str, format: Format) -> Result<(), TelemetryError> {
    let colours = io::stderr().is_terminal();
    subscriber(level, format, colours, io::stderr)?
        .try_init()
        .map_err(TelemetryError::Installed)
}

/// As [`init`], with a level that can be changed later.
pub fn init_changeable(level: &str, format: Format) -> Result<LevelHandle, TelemetryError> {
    let colours = io::stderr().is_terminal();
    let (subscriber, handle) = adjustable(level, format, colours, io::stderr)?;
    subscriber.try_init().map_err(TelemetryError::Installed)?;
    Ok(handle)
}

/// As [`init_changeable`], with lines that go to a writer which may block: they are written by a thread of their own, and
/// lost where it does not take them fast enough.
pub fn init_to(
    level: &str,
    format: Format,
    writer: impl io::Write + Send + 'static,
) -> Result<LevelHandle, TelemetryError> {
    let colours = io::stderr().is_terminal();
    let (subscriber, handle) = adjustable(level, format, colours, LineQueue::start(writer))?;
    subscriber.try_init().map_err(TelemetryError::Installed)?;
    Ok(handle)
}

/// As [`init`], with a level that can be changed later, and for programs that must not wait: lines are written by a thread
/// of their own, and lost where standard error does not take them fast enough.
pub fn init_adjustable(level: &str, format: Format) -> Result<LevelHandle, TelemetryError> {
    init_to(level, format, io::stderr())
}

/// Changes the level of a log. See [`init_adjustable`].
pub struct LevelHandle {
    change: Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>,
}

impl LevelHandle {
    /// Another level or filter from now on.
    pub fn set(&self, level: &str) -> Result<(), TelemetryError> {
        let filter = EnvFilter::try_new(level).map_err(TelemetryError::Level)?;
        (self.change)(filter).map_err(TelemetryError::Gone)
    }
}

impl fmt::Debug for LevelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LevelHandle").finish_non_exhaustive()
    }
}

fn subscriber<W>(
    level: &str,
    format: Format,
    colours: bool,
    writer: W,
) -> Result<impl Subscriber + Send + Sync + use<W>, TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(level).map_err(TelemetryError::Level)?;
    let lines = lines(format, colours, writer);
    Ok(Registry::default().with(lines).with(filter))
}

fn adjustable<W>(
    level: &str,
    format: Format,
    colours: bool,
    writer: W,
) -> Result<(impl Subscriber + Send + Sync + use<W>, LevelHandle), TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(level).map_err(TelemetryError::Level)?;
    let (filter, handle) = reload::Layer::new(filter);
    let lines = lines(format, colours, writer);
    let subscriber = Registry::default().with(lines).with(filter);
    let change = Box::new(move |filter| handle.reload(filter));
    Ok((subscriber, LevelHandle { change }))
}

fn lines<W>(format: Format, colours: bool, writer: W) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        // Fields at the top level, as log collectors search them.
        Format::Json => lines.json().flatten_event(true).boxed(),
        Format::Text => lines.with_ansi(colours).boxed(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::{debug, info, info_span};

    use super::*;

    /// Collects what a subscriber writes while `work` runs.
    fn logged(level: &str, format: Format, work: impl FnOnce()) -> String {
        let output = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&output);
        let writer = move || Sink(Arc::clone(&sink));
        let subscriber = subscriber(level, format, false, writer).unwrap();
        tracing::subscriber::with_default(subscriber, work);
        let bytes = output.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn work() {
        let _room = info_span!("room", room = "r1").entered();
        info!(peer = "p1", "peer joined");
        debug!("detail");
    }

    #[test]
    fn text_shows_span_fields_and_obeys_the_level() {
        let text = logged("info", Format::Text, work);
        assert!(
            text.contains("INFO room{room=\"r1\"}") && text.contains("peer joined peer=\"p1\"")
        );
        assert_eq!(text.lines().count(), 1);
        assert!(!text.contains('\x1b'), "no colours in files");
    }

    #[test]
    fn json_has_one_object_per_line_with_fields_at_the_top() {
        let text = logged("debug", Format::Json, work);
        assert_eq!(text.lines().count(), 2);
        let first = text.lines().next().unwrap();
        assert!(first.starts_with('{') && first.ends_with('}'));
        assert!(
            first.contains(r#""message":"peer joined","peer":"p1""#),
            "{first}"
        );
        assert!(first.contains(r#""room":"r1""#));
    }

    #[test]
    fn filters_by_module_are_levels_too() {
        let text = logged("off,plenum_telemetry=info", Format::Text, work);
        assert_eq!(text.lines().count(), 1);
        assert_eq!(logged("info,plenum_telemetry=off", Format::Text, work), "");
    }

    #[test]
    fn a_level_can_be_changed_while_the_log_is_in_use() {
        let output = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&output);
        let writer = move || Sink(Arc::clone(&sink));
        let (subscriber, handle) = adjustable("warn", Format::Text, false, writer).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            work();
            handle.set("off,plenum_telemetry=debug").unwrap();
            work();
            handle.set("off").unwrap();
            work();
            assert!(handle.set("plenum=loud").is_err());
        });
        let text = String::from_utf8(output.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
    }

    #[test]
    fn a_level_that_is_none_is_an_error() {
        let error = init("plenum=loud", Format::Text).unwrap_err();
        assert!(matches!(error, TelemetryError::Level(_)));
        assert_eq!(
            error.to_string(),
            "log.level is neither a level nor a filter"
        );
    }

    #[test]
    fn a_second_set_up_is_an_error() {
        init("off", Format::Json).unwrap();
        assert!(matches!(
            init("off", Format::Text),
            Err(TelemetryError::Installed(_))
        ));
    }
}
