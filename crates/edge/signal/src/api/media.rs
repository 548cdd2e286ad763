//! Transports, producers and consumers of rooms.

use std::{
    str::FromStr,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Extension, Json,
    body::Body,
    extract::State,
    http::{Response, StatusCode},
    response::IntoResponse as _,
};
use plenum_api::{
    admin::{ConsumerList, MediaStats, ProducerList, TransportDetail, TransportList},
    data, media_stats,
};
use plenum_host::RoomPicture;
use plenum_ids::{
    ConsumerId, DataConsumerId, DataProducerId, ProducerId, RoomName, TransportId, WorkerId,
};
use plenum_room::{AdminCommand, TransportView};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    extract::At,
    keys::Caller,
    refusal::{Answer, Refusal},
    rooms::{RoomPath, administer, name, picture},
    views,
};
use crate::Edge;

/// What is looked at.
pub(super) fn reading() -> OpenApiRouter<Edge> {
    OpenApiRouter::new()
        .routes(routes!(transports))
        .routes(routes!(producers))
        .routes(routes!(consumers))
        .routes(routes!(transport_stats))
        .routes(routes!(producer_stats))
        .routes(routes!(consumer_stats))
        .routes(routes!(data_producer_stats))
        .routes(routes!(data_consumer_stats))
}

/// What is changed.
pub(super) fn changing() -> OpenApiRouter<Edge> {
    OpenApiRouter::new()
        .routes(routes!(close_transport))
        .routes(routes!(close_producer))
        .routes(routes!(close_consumer))
        .routes(routes!(close_data_producer))
}

/// Which object.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct ObjectPath {
    /// The room's namespace; `default` where none is named.
    namespace: String,
    /// The room's name there.
    room: String,
    /// The object's identifier.
    #[param(format = "uuid")]
    id: String,
}

impl ObjectPath {
    fn room(&self) -> RoomName {
        name(&self.namespace, &self.room)
    }

    /// What is no identifier names nothing.
    fn id<T: FromStr>(&self, kind: &str) -> Answer<T> {
        self.id.parse().map_err(|_| Refusal::not_found(kind))
    }
}

fn all_transports(picture: &RoomPicture) -> impl Iterator<Item = TransportDetail> {
    let peers = views::room(picture).peers;
    peers.into_iter().flat_map(|peer| peer.transports)
}

/// Transports, with what is on them.
#[utoipa::path(
    get,
    path = "/rooms/{namespace}/{room}/transports",
    operation_id = "listTransports",
    tag = "media",
    params(RoomPath),
    responses((status = 200, description = "Everybody's.", body = TransportList))
)]
async fn transports(
    State(edge): State<Edge>,
    At(path): At<RoomPath>,
) -> Answer<Json<TransportList>> {
    let picture = picture(&edge, &path.name()).await?;
    let transports = all_transports(&picture).collect();
    Ok(Json(TransportList { transports }))
}

/// What everybody sends.
#[utoipa::path(
    get,
    path = "/rooms/{namespace}/{room}/producers",
    operation_id = "listProducers",
    tag = "media",
    params(RoomPath),
    responses((status = 200, description = "Media and messages.", body = ProducerList))
)]
async fn producers(State(edge): State<Edge>, At(path): At<RoomPath>) -> Answer<Json<ProducerList>> {
    let picture = picture(&edge, &path.name()).await?;
    let (mut producers, mut data_producers) = (Vec::new(), Vec::new());
    for transport in all_transports(&picture) {
        producers.extend(transport.producers);
        data_producers.extend(transport.data_producers);
    }
    Ok(Json(ProducerList {
        producers,
        data_producers,
    }))
}

/// What everybody receives.
#[utoipa::path(
    get,
    path = "/rooms/{namespace}/{room}/consumers",
    operation_id = "listConsumers",
    tag = "media",
    params(RoomPath),
    responses((status = 200, description = "Media and messages.", body = ConsumerList))
)]
async fn consumers(State(edge): State<Edge>, At(path): At<RoomPath>) -> Answer<Json<ConsumerList>> {
    let picture = picture(&edge, &path.name()).await?;
    let (mut consumers, mut data_consumers) = (Vec::new(), Vec::new());
    for transport in all_transports(&picture) {
        consumers.extend(transport.consumers);
        data_consumers.extend(transport.data_consumers);
    }
    Ok(Json(ConsumerList {
        consumers,
        data_consumers,
    }))
}

/// [`MediaStats`] as it is written.
#[derive(Serialize)]
struct Stats<T> {
    stats: T,
}

type StatsAnswer<T> = Answer<Json<Stats<T>>>;

/// Where an object is that `find` finds on one of the transports, and what it finds.
fn locate<T>(
    picture: &RoomPicture,
    kind: &str,
    find: impl Fn(&TransportView) -> Option<T>,
) -> Answer<(WorkerId, T)> {
    let mut all = picture.view.peers.iter();
    let found = all.find_map(|peer| {
        let found = peer.transports.iter().find_map(&find)?;
        Some((picture.worker(peer.place)?, found))
    });
    found.ok_or_else(|| Refusal::not_found(kind))
}

fn unix_milliseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
}

/// A transport's counters.
#[utoipa::path(
    get,
    path = "/rooms/{namespace}/{room}/transports/{id}/stats",
    operation_id = "getTransportStats",
    tag = "media",
    params(ObjectPath),
    responses((status = 200, description = "As its client gets them.", body = MediaStats))
)]
async fn transport_stats(
    State(edge): State<Edge>,
    At(path): At<ObjectPath>,
) -> StatsAnswer<impl Serialize> {
    let id: TransportId = path.id("transport")?;
    let picture = picture(&edge, &path.room()).await?;
    let found = |it: &TransportView| (it.transport_id == id).then_some(());
    let (worker, ()) = locate(&picture, "transport", found)?;
    let counters = edge.host.transport_stats(worker, id).await?;
    let stats = media_stats::transport_stats(id, &counters, unix_milliseconds());
    Ok(Json(Stats { stats }))
}

/// A producer's counters, stream by stream.
#[utoipa::path(
    get,
    path = "/rooms/{namespace}/{room}/producers/{id}/stats",
    operation_id = "getProducerStats",
    tag = "media",
    params(ObjectPath),
    responses((status = 200, description = "As its client gets them.", body = MediaStats))
)]
async fn producer_stats(
    State(edge): State<Edge>,
    At(path): At<ObjectPath>,
) -> StatsAnswer<impl Serialize> {
    let id: ProducerId = path.id("producer")?;
    let picture = picture(&edge, &path.room()).await?;
    let found = |it: &TransportView| {
        it.producers
            .iter()
            .find(|it| it.producer_id == id)
            .map(drop)
    };
    let (worker, ()) = locate(&picture, "producer", found)?;
    let counters = edge.host.producer_stats(worker, id).await?;
    let stats = media_stats::producer_stats(&counters, unix_milliseconds());
    Ok(Json(Stats { stats }))
}

/// A consumer's counters.
#[utoipa::path(
    get,
    path = "/rooms/{namespace}/{room}/consumers/{id}/stats",
    operation_id = "getConsumerStats",
    tag = "media",
    params(ObjectPath),
    responses((status = 200, description = "As its client gets them.", body = MediaStats))
)]
async fn consumer_stats(
    State(edge): State<Edge>,
    At(path): At<ObjectPath>,
) -> StatsAnswer<impl Serialize> {
    let id: ConsumerId = path.id("consumer")?;
    let picture = picture(&edge, &path.room()).await?;
    let found = |it: &TransportView| {
        it.consumers
            .iter()
            .find(|it| it.consumer_id == id)
            .map(drop)
    };
    let (worker, ()) = locate(&picture, "consumer", found)?;
    let counters = edge.host.consumer_stats(worker, id).await?;
    let stats = media_stats::consumer_stats(&counters, unix_milliseconds());
    Ok(Json(Stats { stats }))
}

/// A data producer's counters.
#[utoipa::path(
    get,
    path = "/rooms/{namespace}/{room}/data-producers/{id}/stats",
    operation_id = "getDataProducerStats",
    tag = "media",
    params(ObjectPath),
    responses((status = 200, description = "As its client gets them.", body = MediaStats))
)]
async fn data_producer_stats(
    State(edge): State<Edge>,
    At(path): At<ObjectPath>,
) -> Answer<Response<Body>> {
    let id: DataProducerId = path.id("data producer")?;
    let picture = picture(&edge, &path.room()).await?;
    let (worker, names) = locate(&picture, "data producer", |it| names_of(it, id))?;
    let names = (names.0.as_str(), names.1.as_str());
    let counters = edge.host.data_producer_stats(worker, id).await?;
    let stats = data::data_producer_stats(names, &counters, unix_milliseconds());
    Ok(Json(Stats { stats }).into_response())
}

/// A data consumer's counters.
#[utoipa::path(
    get,
    path = "/rooms/{namespace}/{room}/data-consumers/{id}/stats",
    operation_id = "getDataConsumerStats",
    tag = "media",
    params(ObjectPath),
    responses((status = 200, description = "As its client gets them.", body = MediaStats))
)]
async fn data_consumer_stats(
    State(edge): State<Edge>,
    At(path): At<ObjectPath>,
) -> Answer<Response<Body>> {
    let id: DataConsumerId = path.id("data consumer")?;
    let picture = picture(&edge, &path.room()).await?;
    let (worker, source) = locate(&picture, "data consumer", |it| {
        let mut all = it.data_consumers.iter();
        let found = all.find(|it| it.data_consumer_id == id);
        found.map(|it| it.data_producer_id)
    })?;
    let source = locate(&picture, "data producer", |it| names_of(it, source));
    let names = source.map_or_else(|_| Default::default(), |(_, names)| names);
    let names = (names.0.as_str(), names.1.as_str());
    let counters = edge.host.data_consumer_stats(worker, id).await?;
    let stats = data::data_consumer_stats(names, &counters, unix_milliseconds());
    Ok(Json(Stats { stats }).into_response())
}

/// Label and protocol.
fn names_of(transport: &TransportView, id: DataProducerId) -> Option<(String, String)> {
    let mut all = transport.data_producers.iter();
    let found = all.find(|it| it.data_producer_id == id)?;
    Some((found.label.clone(), found.protocol.clone()))
}

/// Closes a transport with everything on it.
#[utoipa::path(
    delete,
    path = "/rooms/{namespace}/{room}/transports/{id}",
    operation_id = "closeTransport",
    tag = "media",
    params(ObjectPath),
    responses((status = 204, description = "It is closed."))
)]
async fn close_transport(
    State(edge): State<Edge>,
    Extension(caller): Extension<Caller>,
    At(path): At<ObjectPath>,
) -> Answer<StatusCode> {
    let transport = path.id("transport")?;
    let command = AdminCommand::CloseTransport { transport };
    administer(edge, caller, path.room(), command).await
}

/// Closes a producer: nobody receives it any more.
#[utoipa::path(
    delete,
    path = "/rooms/{namespace}/{room}/producers/{id}",
    operation_id = "closeProducer",
    tag = "media",
    params(ObjectPath),
    responses((status = 204, description = "It is closed."))
)]
async fn close_producer(
    State(edge): State<Edge>,
    Extension(caller): Extension<Caller>,
    At(path): At<ObjectPath>,
) -> Answer<StatusCode> {
    let producer = path.id("producer")?;
    let command = AdminCommand::CloseProducer { producer };
    administer(edge, caller, path.room(), command).await
}

/// Closes a consumer.
#[utoipa::path(
    delete,
    path = "/rooms/{namespace}/{room}/consumers/{id}",
    operation_id = "closeConsumer",
    tag = "media",
    params(ObjectPath),
    responses((status = 204, description = "It is closed."))
)]
async fn close_consumer(
    State(edge): State<Edge>,
    Extension(caller): Extension<Caller>,
    At(path): At<ObjectPath>,
) -> Answer<StatusCode> {
    let consumer = path.id("consumer")?;
    let command = AdminCommand::CloseConsumer { consumer };
    administer(edge, caller, path.room(), command).await
}

/// Closes a data producer.
#[utoipa::path(
    delete,
    path = "/rooms/{namespace}/{room}/data-producers/{id}",
    operation_id = "closeDataProducer",
    tag = "media",
    params(ObjectPath),
    responses((status = 204, description = "It is closed."))
)]
async fn close_data_producer(
    State(edge): State<Edge>,
    Extension(caller): Extension<Caller>,
    At(path): At<ObjectPath>,
) -> Answer<StatusCode> {
    let data_producer = path.id("data producer")?;
    let command = AdminCommand::CloseDataProducer { data_producer };
    administer(edge, caller, path.room(), command).await
}
