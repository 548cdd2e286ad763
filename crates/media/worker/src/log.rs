//! What a worker logs, by tags: every change of state that its engine reports, and nothing for each packet.
//!
//! A line never holds up media: it is lost where standard error does not take it. The engine itself logs nothing. What is worth a line is an event, which passes here on its way to the node.

use plenum_ids::WorkerId;
use plenum_params::{
    event::Event,
    log::{LogLevel, LogOptions, LogTag},
    transport::DtlsState,
};
use plenum_telemetry::{Format, LevelHandle};
use tracing::{debug, info, span::EnteredSpan, warn};

/// The log of this process, set up once.
pub(crate) struct Log {
    /// `None`: somebody else has set up logging, as in tests.
    handle: Option<LevelHandle>,
    /// Every line says which worker.
    _span: EnteredSpan,
}

impl Log {
    pub(crate) fn new(worker: WorkerId, json: bool, options: &LogOptions) -> Self {
        let format = if json { Format::Json } else { Format::Text };
        let handle = plenum_telemetry::init_adjustable(&directives(options), format).ok();
        let span = tracing::error_span!("worker", worker = %worker).entered();
        Self {
            handle,
            _span: span,
        }
    }

    pub(crate) fn set(&self, options: &LogOptions) {
        if let Some(handle) = &self.handle
            && let Err(error) = handle.set(&directives(options))
        {
            let error: &dyn std::error::Error = &error;
            warn!(error, "the level of the log cannot be changed");
            return;
        }
        let tags: Vec<_> = options.tags.iter().map(|tag| tag.as_str()).collect();
        info!(
            level = options.level.as_str(),
            tags = tags.join(" "),
            "log changed"
        );
    }
}

/// Options in the words of the filter. Other programs' crates are heard from warnings on only: what they say in detail may
/// be keys.
fn directives(options: &LogOptions) -> String {
    let level = match options.level {
        LogLevel::None => return "off".to_owned(),
        level => level.as_str(),
    };
    let quiet = if options.level == LogLevel::Error {
        "error"
    } else {
        "warn"
    };
    let of = |tag: LogTag| {
        if options.tags.contains(&tag) {
            level
        } else {
            quiet
        }
    };
    // The SCTP library complains about each packet that it cannot make sense of, which anybody may send.
    let mut text = format!("{quiet},sctp_proto=off,plenum={}", of(LogTag::Info));
    for &tag in LogTag::ALL {
        let level = match tag {
            LogTag::Info => continue,
            // One line tells of both: an event does not say which of them the layers are of.
            LogTag::Simulcast if options.tags.contains(&LogTag::Svc) => level,
            tag => of(tag),
        };
        text.push_str(",plenum::");
        text.push_str(tag.as_str());
        text.push('=');
        text.push_str(level);
    }
    text
}

/// Says what happened in the engine.
pub(crate) fn event(event: &Event) {
    match event {
        Event::IceState {
            transport,
            state,
            tuple,
        } => {
            let remote = tuple.as_ref().map(|tuple| tuple.remote);
            debug!(target: "plenum::ice", %transport, ?state, ?remote, "state");
        }
        Event::DtlsState {
            transport,
            state: DtlsState::Failed,
        } => warn!(target: "plenum::dtls", %transport, "handshake failed"),
        Event::DtlsState { transport, state } => {
            debug!(target: "plenum::dtls", %transport, ?state, "state");
            if *state == DtlsState::Connected {
                debug!(target: "plenum::srtp", %transport, "keys agreed");
            }
        }
        Event::SctpState { transport, state } => {
            debug!(target: "plenum::sctp", %transport, ?state, "state");
        }
        Event::MediaStarted { transport } => {
            debug!(target: "plenum::rtp", %transport, "first packet sent");
        }
        Event::ProducerScore { producer, scores } => {
            let scores: Vec<_> = scores.iter().map(|score| score.score).collect();
            debug!(target: "plenum::score", %producer, ?scores, "producer");
        }
        Event::ConsumerScore { consumer, score } => {
            let (score, producer) = (score.score, score.producer_score);
            debug!(target: "plenum::score", %consumer, score, producer, "consumer");
        }
        Event::ConsumerLayers { consumer, layers } => {
            debug!(target: "plenum::simulcast", %consumer, ?layers, "layers");
        }
        Event::ProducerDemand {
            producer,
            encodings,
        } => debug!(target: "plenum::bwe", %producer, ?encodings, "demand"),
        // Several a second, and told to whoever asked for them.
        Event::Volumes { .. } | Event::Trace(_) => {}
        other => debug!(?other, "event"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_choose_what_is_heard() {
        let options = LogOptions::parse("debug", "dtls").expect("known");
        let text = directives(&options);
        assert!(
            text.starts_with("warn,sctp_proto=off,plenum=warn,plenum::ice=warn,plenum::dtls=debug")
        );
        let options = LogOptions::parse("error", "info").expect("known");
        let text = directives(&options);
        assert!(
            text.starts_with("error,sctp_proto=off,plenum=error,plenum::ice=error"),
            "{text}"
        );
        let options = LogOptions::parse("none", "info ice").expect("known");
        assert_eq!(directives(&options), "off");
    }
}
