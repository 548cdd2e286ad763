//! Requests of data channels that are answered by that they are done.

use std::time::Instant;

use plenum_engine::{Engine, EngineError};
use plenum_ipc::Request;

pub(super) fn carry_out(
    engine: &mut Engine,
    now: Instant,
    request: Request,
) -> Result<(), EngineError> {
    match request {
        Request::ProduceData {
            transport,
            data_producer,
            stream,
            paused,
        } => engine.produce_data(transport, data_producer, stream, paused),
        Request::CloseDataProducer { data_producer } => {
            engine.close_data_producer(now, data_producer);
            Ok(())
        }
        Request::PauseDataProducer { data_producer } => engine.pause_data_producer(data_producer),
        Request::ResumeDataProducer { data_producer } => engine.resume_data_producer(data_producer),
        Request::ConsumeData {
            transport,
            data_consumer,
            data_producer,
            stream,
            subchannels,
            paused,
        } => {
            let source = data_producer;
            engine.consume_data(
                transport,
                data_consumer,
                source,
                stream,
                subchannels,
                paused,
            )
        }
        Request::CloseDataConsumer { data_consumer } => {
            engine.close_data_consumer(now, data_consumer);
            Ok(())
        }
        Request::PauseDataConsumer { data_consumer } => engine.pause_data_consumer(data_consumer),
        Request::ResumeDataConsumer { data_consumer } => engine.resume_data_consumer(data_consumer),
        Request::SetBufferedAmountLowThreshold {
            data_consumer,
            threshold,
        } => engine.set_buffered_amount_low_threshold(data_consumer, threshold),
        Request::SetSubchannels {
            data_consumer,
            subchannels,
        } => engine.set_subchannels(data_consumer, subchannels),
        Request::PipeProduceData {
            trunk,
            router,
            data_producer,
            stream,
            paused,
        } => engine.pipe_produce_data(now, trunk, router, data_producer, stream, paused),
        Request::PipeConsumeData {
            trunk,
            data_consumer,
            data_producer,
            stream,
            paused,
        } => engine.pipe_consume_data(now, trunk, data_consumer, data_producer, stream, paused),
        _ => Err(EngineError::Invalid("unknown request".into())),
    }
}
