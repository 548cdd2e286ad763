//! Carrying out the node's requests on the engine.

use std::time::Instant;

use plenum_engine::{Engine, EngineError};
use plenum_ipc::{Answer, ErrorCode, Request, RequestError};

use crate::media::Media;

mod data;

/// Carries out a request. [`Request::WorkerStats`] is answered with the engine's part of the counters.
pub(crate) fn answer(
    engine: &mut Engine,
    media: &mut Media,
    now: Instant,
    request: Request,
) -> Result<Answer, RequestError> {
    carry_out(engine, media, now, request).map_err(|error| refusal(&error))
}

fn carry_out(
    engine: &mut Engine,
    media: &mut Media,
    now: Instant,
    request: Request,
) -> Result<Answer, EngineError> {
    match request {
        Request::CreateRouter { router } => engine.create_router(router)?,
        Request::CloseRouter { router } => engine.close_router(now, router),
        Request::CreateWebRtcTransport {
            router,
            transport,
            options,
        } => {
            let mut wanted = media.wanted_by_webrtc();
            wanted.retain(|wanted| options.protocols.includes(wanted.protocol));
            let info = media.with_own_sockets(engine, &wanted, |engine, own| {
                engine.create_webrtc_transport_on(now, router, transport, &options, own)
            })?;
            return Ok(Answer::WebRtcTransport(info));
        }
        Request::ConnectWebRtcTransport { transport, dtls } => {
            engine.connect_webrtc_transport(now, transport, &dtls)?;
        }
        Request::RestartIce { transport } => {
            return Ok(Answer::IceParameters(engine.restart_ice(transport)?));
        }
        Request::CloseTransport { transport } => engine.close_transport(now, transport),
        Request::Produce {
            transport,
            producer,
            parameters,
            paused,
        } => engine.produce(transport, producer, parameters, paused)?,
        Request::CloseProducer { producer } => engine.close_producer(producer),
        Request::PauseProducer { producer } => engine.pause_producer(producer)?,
        Request::ResumeProducer { producer } => engine.resume_producer(now, producer)?,
        Request::Consume {
            transport,
            consumer,
            producer,
            parameters,
            paused,
        } => engine.consume(now, transport, consumer, producer, parameters, paused)?,
        Request::CloseConsumer { consumer } => engine.close_consumer(consumer),
        Request::PauseConsumer { consumer } => engine.pause_consumer(consumer)?,
        Request::ResumeConsumer { consumer } => engine.resume_consumer(now, consumer)?,
        Request::RequestKeyFrame { consumer } => engine.request_key_frame(now, consumer)?,
        Request::TransportStats { transport } => {
            let stats = engine.transport_stats(now, transport)?;
            return Ok(Answer::TransportStats(Box::new(stats)));
        }
        Request::ProducerStats { producer } => {
            return Ok(Answer::ProducerStats(engine.producer_stats(now, producer)?));
        }
        Request::ConsumerStats { consumer } => {
            let stats = engine.consumer_stats(now, consumer)?;
            return Ok(Answer::ConsumerStats(Box::new(stats)));
        }
        Request::SetPreferredLayers { consumer, layers } => {
            let layers = engine.set_preferred_layers(now, consumer, layers)?;
            return Ok(Answer::PreferredLayers(layers));
        }
        Request::SetPriority { consumer, priority } => {
            engine.set_priority(now, consumer, priority)?;
        }
        Request::SetMaxIncomingBitrate { transport, bitrate } => {
            engine.set_max_incoming_bitrate(transport, bitrate)?;
        }
        Request::SetOutgoingLimits { transport, limits } => {
            engine.set_outgoing_limits(now, transport, limits)?;
        }
        Request::CreateTrunk { trunk, options } => engine.create_trunk(now, trunk, &options)?,
        Request::PipeProduce {
            trunk,
            router,
            producer,
            parameters,
            paused,
        } => engine.pipe_produce(trunk, router, producer, parameters, paused)?,
        Request::PipeConsume {
            trunk,
            consumer,
            producer,
            stream,
            parameters,
            paused,
        } => {
            let source = (producer, stream);
            engine.pipe_consume(now, trunk, consumer, source, parameters, paused)?;
        }
        Request::CreateAudioLevelObserver {
            router,
            observer,
            options,
        } => engine.create_audio_level_observer(router, observer, options)?,
        Request::CreateActiveSpeakerObserver {
            router,
            observer,
            interval_ms,
        } => engine.create_active_speaker_observer(router, observer, interval_ms)?,
        Request::CloseObserver { observer } => engine.close_observer(observer),
        Request::PauseObserver { observer } => engine.pause_observer(observer)?,
        Request::ResumeObserver { observer } => engine.resume_observer(now, observer)?,
        Request::ObserveProducer { observer, producer } => {
            engine.observe_producer(now, observer, producer)?;
        }
        Request::UnobserveProducer { observer, producer } => {
            engine.unobserve_producer(observer, producer)?;
        }
        Request::SetTrace { object, types } => engine.set_trace(object, types)?,
        Request::CreatePlainTransport {
            router,
            transport,
            options,
        } => {
            let wanted = media.wanted_by_plain(&options)?;
            let info = media.with_own_sockets(engine, &wanted, |engine, own| {
                engine.create_plain_transport(now, router, transport, &options, own)
            })?;
            return Ok(Answer::PlainTransport(info));
        }
        Request::ConnectPlainTransport {
            transport,
            remote,
            srtp,
        } => {
            let info = engine.connect_plain_transport(now, transport, remote, srtp.as_ref())?;
            return Ok(Answer::PlainTransport(info));
        }
        Request::CreateDirectTransport { router, transport } => {
            engine.create_direct_transport(now, router, transport)?;
        }
        Request::SetOriginScores { producer, scores } => {
            engine.set_origin_scores(producer, scores)?;
        }
        Request::DataProducerStats { data_producer } => {
            let stats = engine.data_producer_stats(data_producer)?;
            return Ok(Answer::DataProducerStats(stats));
        }
        Request::DataConsumerStats { data_consumer } => {
            let stats = engine.data_consumer_stats(data_consumer)?;
            return Ok(Answer::DataConsumerStats(stats));
        }
        Request::TransportBitrates => {
            let bitrates = engine.transport_bitrates(now);
            return Ok(Answer::TransportBitrates(bitrates));
        }
        Request::WorkerStats => return Ok(Answer::WorkerStats(Box::new(engine.stats()))),
        request => data::carry_out(engine, now, request)?,
    }
    Ok(Answer::Done)
}

fn refusal(error: &EngineError) -> RequestError {
    let code = match error {
        EngineError::RouterNotFound(_)
        | EngineError::TransportNotFound(_)
        | EngineError::ProducerNotFound(_)
        | EngineError::ConsumerNotFound(_)
        | EngineError::ObserverNotFound(_)
        | EngineError::DataProducerNotFound(_)
        | EngineError::DataConsumerNotFound(_) => ErrorCode::NotFound,
        EngineError::AlreadyExists(_) | EngineError::AlreadyConnected(_) => ErrorCode::Conflict,
        EngineError::Limit(_) => ErrorCode::Limit,
        _ => ErrorCode::Invalid,
    };
    RequestError {
        code,
        reason: error.to_string(),
    }
}
