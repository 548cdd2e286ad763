//! Transports, producers and consumers of a broadcaster.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    Json,
    body::{Body, Bytes, to_bytes},
    extract::{Path, Request, State},
    http::{Response, StatusCode, header, uri::Authority},
    middleware::Next,
    response::IntoResponse as _,
};
use plenum_api::{error::ErrorKind, transport::TransportParametersJson};
use plenum_ids::{ConsumerId, DataProducerId, NodeId, PeerId, ProducerId, RoomName, TransportId};
use plenum_params::{
    media::MediaKind,
    rtp_parameters::RtpCapabilities,
    transport::{DtlsParameters, DtlsRole, PlainRemote, PlainTransportInfo},
};
use plenum_room::{Audience, Door, NewConsumer, PeerReply, PeerRequest};
use serde_json::{Value, json};

use super::{
    body::{self, Connect, Consume, ConsumeData, NewTransport, Produce, ProduceData, Resume},
    failure::{Failure, Generation, text},
    registration::{created, effective},
    registry::Broadcaster,
};
use crate::{Edge, caller::Caller, far};

/// The broadcaster that a path names.
pub(super) struct Named {
    pub(super) key: (RoomName, PeerId),
    pub(super) broadcaster: Arc<Broadcaster>,
}

impl Named {
    /// Does something for the broadcaster that a path names, if the caller may speak for it.
    pub(super) async fn run(
        edge: &Edge,
        room: &str,
        id: &str,
        caller: &Caller,
        work: impl AsyncFnOnce(Self) -> Result<Response<Body>, Failure>,
    ) -> Response<Body> {
        let knock = caller.knock(room, Some(id), Door::Broadcaster);
        let (key, grants) = match edge.admit(&knock) {
            Ok((room, admission)) => {
                let grants = effective(&admission);
                ((room, admission.peer), grants)
            }
            Err(denied) => return Failure::from(denied).response(Generation::Newest),
        };
        let Some(broadcaster) = edge.broadcasters.find(&key) else {
            return Failure::not_found("broadcaster", id).response(Generation::Newest);
        };
        // What the broadcaster may do its room knows from whoever registered it.
        if broadcaster.grants.and(grants) != broadcaster.grants {
            let reason = "the token does not allow what this broadcaster may do";
            return Failure::refused(ErrorKind::Forbidden, reason).response(Generation::Newest);
        }
        let generation = broadcaster.generation;
        match work(Self { key, broadcaster }).await {
            Ok(response) => response,
            Err(failure) => failure.response(generation),
        }
    }

    async fn request(&self, body: PeerRequest) -> Result<PeerReply, Failure> {
        Ok(self.broadcaster.guest.request(body).await?)
    }

    /// As the generation wants it: 200, or 201 and where it is.
    fn made(&self, caller: &Caller, id: &str, value: Value) -> Response<Body> {
        let response = Json(value).into_response();
        match self.broadcaster.generation {
            Generation::Classic => response,
            Generation::Newest => created(&format!("{}/{id}", caller.path()), response),
        }
    }
}

/// Requests about a broadcaster that another node has are answered by that one.
pub(super) async fn at_its_node(
    State(edge): State<Edge>,
    Path(path): Path<HashMap<String, String>>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Response<Body> {
    let find = |name: &str| path.get(name).map_or("", String::as_str);
    let nodes = nodes_of(&edge, find("room"), find("id"), &caller).await;
    if nodes.is_empty() {
        return next.run(request).await;
    }
    let Ok(body) = to_bytes(request.into_body(), edge.settings.max_body_size).await else {
        return Failure::refused(ErrorKind::TooLarge, "the body is too long")
            .response(Generation::Newest);
    };
    let mut answer = None;
    for node in nodes {
        let given = far::forward(&edge, &node, &caller, &body).await;
        if given.status() != StatusCode::NOT_FOUND {
            return given;
        }
        answer.get_or_insert(given);
    }
    answer.unwrap_or_else(|| {
        Failure::not_found("broadcaster", find("id")).response(Generation::Newest)
    })
}

/// The other nodes that may have a broadcaster, the likeliest first, if the caller may know.
async fn nodes_of(edge: &Edge, room: &str, id: &str, caller: &Caller) -> Vec<NodeId> {
    let Some(cluster) = edge.host.cluster().filter(|_| !caller.is_forwarded()) else {
        return Vec::new();
    };
    let knock = caller.knock(room, Some(id), Door::Broadcaster);
    let Ok((room, admission)) = edge.admit(&knock) else {
        return Vec::new();
    };
    let key = (room, admission.peer);
    if edge.broadcasters.find(&key).is_some() {
        return Vec::new();
    }
    cluster.other_nodes_of(&key.0, &key.1).await
}

type OnePath = Path<(String, String)>;
type TransportPath = Path<(String, String, String)>;

fn transport_id(text: &str) -> Result<TransportId, Failure> {
    let id = text.parse();
    id.map_err(|_| Failure::not_found("transport", text))
}

fn producer_id(text: &str) -> Result<ProducerId, Failure> {
    let id = text.parse();
    id.map_err(|_| Failure::not_found("producer", text))
}

/// `POST …/transports`
pub(super) async fn create_transport(
    State(edge): State<Edge>,
    Path((room, id)): OnePath,
    caller: Caller,
    body: Bytes,
) -> Response<Body> {
    Named::run(&edge, &room, &id, &caller, async |named| {
        let wish: NewTransport = body::read(&body)?;
        if wish.form.as_deref() == Some("webrtc") {
            create_webrtc(&named, &wish, &caller).await
        } else {
            create_plain(&edge, &named, &wish, &caller).await
        }
    })
    .await
}

async fn create_webrtc(
    named: &Named,
    wish: &NewTransport,
    caller: &Caller,
) -> Result<Response<Body>, Failure> {
    let body = PeerRequest::CreateWebRtcTransport {
        producing: true,
        consuming: true,
        force_tcp: false,
        data: wish.sctp_capabilities.is_some(),
    };
    let PeerReply::WebRtcTransport { transport, info } = named.request(body).await? else {
        return Err(Failure::unexpected());
    };
    named.broadcaster.note_transport(transport, true);
    // Plain data: it can always be written.
    let mut value = serde_json::to_value(TransportParametersJson::from(&*info)).unwrap_or_default();
    value["id"] = json!(transport);
    Ok(named.made(caller, &transport.to_string(), value))
}

async fn create_plain(
    edge: &Edge,
    named: &Named,
    wish: &NewTransport,
    caller: &Caller,
) -> Result<Response<Body>, Failure> {
    let is_classic = named.broadcaster.generation == Generation::Classic;
    let (producing, consuming) = match (is_classic, wish.form.as_deref(), wish.direction()) {
        (true, Some("plain"), _) => (true, true),
        (false, _, Some("producer")) => (true, false),
        (false, _, Some("consumer")) => (false, true),
        (true, ..) => return Err(Failure::invalid("wrong type")),
        (false, ..) => return Err(Failure::invalid("wrong direction")),
    };
    let body = PeerRequest::CreatePlainTransport {
        producing,
        consuming,
        // The defaults differ between the generations.
        rtcp_mux: wish.rtcp_mux.unwrap_or(!is_classic),
        comedia: wish.comedia.unwrap_or(is_classic),
        srtp: None,
    };
    let PeerReply::PlainTransport { transport, info } = named.request(body).await? else {
        return Err(Failure::unexpected());
    };
    named.broadcaster.note_transport(transport, false);
    let member = if is_classic { "id" } else { "transportId" };
    let mut value = json!({
        member: transport,
        "ip": address(edge, caller, &info),
        "port": info.local.port(),
    });
    if let Some(rtcp) = info.rtcp_local {
        value["rtcpPort"] = json!(rtcp.port());
    }
    Ok(named.made(caller, &transport.to_string(), value))
}

/// Where to send to: the bound address, or what stands for it if that is all of them.
fn address(edge: &Edge, caller: &Caller, info: &PlainTransportInfo) -> String {
    let bound = info.local.ip();
    if !bound.is_unspecified() {
        return bound.to_string();
    }
    let announced = edge.settings.broadcast.plain_address.clone();
    announced.unwrap_or_else(|| {
        // The name that the client knows is another node's.
        if let Some(cluster) = edge.host.cluster().filter(|_| caller.is_forwarded()) {
            return cluster.own_host();
        }
        // Whoever reached us under this name reaches the ports under it, too.
        host_name(caller.header(header::HOST).unwrap_or_default())
    })
}

/// The host of a `Host` header, without the port and the brackets of IPv6.
fn host_name(header: &str) -> String {
    let authority: Result<Authority, _> = header.parse();
    let host = authority.as_ref().map_or("", Authority::host);
    host.trim_matches(['[', ']']).to_owned()
}

/// `POST …/transports/T/connect`
pub(super) async fn connect(
    State(edge): State<Edge>,
    Path((room, id, transport)): TransportPath,
    caller: Caller,
    body: Bytes,
) -> Response<Body> {
    Named::run(&edge, &room, &id, &caller, async |named| {
        let wish: Connect = body::read(&body)?;
        let transport = transport_id(&transport)?;
        let body = if named.broadcaster.is_webrtc(transport) {
            let dtls = wish.dtls_parameters;
            let dtls = dtls.ok_or_else(|| Failure::invalid("missing body.dtlsParameters"))?;
            PeerRequest::ConnectWebRtcTransport {
                transport,
                dtls: DtlsParameters {
                    role: dtls.role.unwrap_or(DtlsRole::Auto),
                    fingerprints: dtls.fingerprints,
                },
            }
        } else {
            PeerRequest::ConnectPlainTransport {
                transport,
                remote: Some(remote(&edge, &caller, &wish)?),
                srtp: None,
            }
        };
        named.request(body).await?;
        Ok(match named.broadcaster.generation {
            Generation::Classic => Response::new(Body::empty()),
            Generation::Newest => text(StatusCode::OK, "transport connected"),
        })
    })
    .await
}

/// Where to send to. Others than who asks for it have not agreed to get anything.
fn remote(edge: &Edge, caller: &Caller, wish: &Connect) -> Result<PlainRemote, Failure> {
    let ip = wish.ip.as_deref().and_then(|ip| ip.parse::<IpAddr>().ok());
    let (Some(ip), Some(port)) = (ip, wish.port) else {
        return Err(Failure::invalid("body.ip and body.port are required"));
    };
    let own = caller.own_address().is_some_and(|own| {
        let ip = ip.to_canonical();
        own == ip || (own.is_loopback() && ip.is_loopback())
    });
    let mut allowed = edge.settings.broadcast.allow_networks.iter();
    if !own && !allowed.any(|network| network.contains(ip)) {
        let reason = "body.ip is neither the caller's address nor in broadcast.allow_networks";
        return Err(Failure::refused(ErrorKind::Forbidden, reason));
    }
    Ok(PlainRemote {
        rtp: SocketAddr::new(ip, port),
        rtcp: wish.rtcp_port.map(|port| SocketAddr::new(ip, port)),
    })
}

/// `POST …/transports/T/producers`, classic.
pub(super) async fn produce_classic(
    State(edge): State<Edge>,
    Path((room, id, transport)): TransportPath,
    caller: Caller,
    body: Bytes,
) -> Response<Body> {
    Named::run(&edge, &room, &id, &caller, async |named| {
        let wish: Produce = body::read(&body)?;
        let producer = produce_on(&named, &transport, wish).await?;
        let value = json!({ "id": producer });
        Ok(named.made(&caller, &producer.to_string(), value))
    })
    .await
}

/// `POST …/producers`, newest.
pub(super) async fn produce(
    State(edge): State<Edge>,
    Path((room, id)): OnePath,
    caller: Caller,
    body: Bytes,
) -> Response<Body> {
    Named::run(&edge, &room, &id, &caller, async |named| {
        let wish: Produce = body::read(&body)?;
        let transport = wish.transport_id.clone();
        let transport = body::required(transport.as_deref(), "body.transportId")?;
        let producer = produce_on(&named, transport, wish).await?;
        let value = json!({ "producerId": producer });
        Ok(named.made(&caller, &producer.to_string(), value))
    })
    .await
}

async fn produce_on(named: &Named, transport: &str, wish: Produce) -> Result<ProducerId, Failure> {
    let body = PeerRequest::Produce {
        transport: transport_id(transport)?,
        kind: wish.kind,
        rtp_parameters: wish.rtp_parameters,
        app_data: wish.app_data,
        paused: false,
        voice: wish.kind == MediaKind::Audio,
        wish: None,
    };
    match named.request(body).await? {
        PeerReply::Produced { producer } => Ok(producer),
        _ => Err(Failure::unexpected()),
    }
}

/// `POST …/transports/T/consume`, classic. Older clients name the producer in the query and said when they registered what
/// they can receive.
pub(super) async fn consume_classic(
    State(edge): State<Edge>,
    Path((room, id, transport)): TransportPath,
    caller: Caller,
    body: Bytes,
) -> Response<Body> {
    Named::run(&edge, &room, &id, &caller, async |named| {
        let wish: Consume = body::read(&body)?;
        let producer = wish
            .producer_id
            .as_deref()
            .or_else(|| caller.find("producerId"));
        let producer = body::required(producer, "producerId")?.to_owned();
        let own = named.broadcaster.capabilities.clone();
        let capabilities = wish.rtp_capabilities.or(own);
        let made = consume_on(&named, &transport, &producer, capabilities, wish.paused).await?;
        Ok(Json(body::consumer(&made)).into_response())
    })
    .await
}

/// `POST …/consumers`, newest.
pub(super) async fn consume(
    State(edge): State<Edge>,
    Path((room, id)): OnePath,
    caller: Caller,
    body: Bytes,
) -> Response<Body> {
    Named::run(&edge, &room, &id, &caller, async |named| {
        let wish: Consume = body::read(&body)?;
        let transport = body::required(wish.transport_id.as_deref(), "body.transportId")?;
        let producer = body::required(wish.producer_id.as_deref(), "body.producerId")?;
        let capabilities = wish.rtp_capabilities;
        let made = consume_on(&named, transport, producer, capabilities, wish.paused).await?;
        let value = json!({ "consumerId": made.consumer });
        Ok(named.made(&caller, &made.consumer.to_string(), value))
    })
    .await
}

async fn consume_on(
    named: &Named,
    transport: &str,
    producer: &str,
    capabilities: Option<RtpCapabilities>,
    paused: bool,
) -> Result<Box<NewConsumer>, Failure> {
    let capabilities = capabilities.ok_or_else(|| Failure::invalid("missing rtpCapabilities"))?;
    let body = PeerRequest::Consume {
        transport: Some(transport_id(transport)?),
        producer: producer_id(producer)?,
        rtp_capabilities: Some(capabilities),
        paused,
        layers: None,
        numbers: None,
    };
    match named.request(body).await? {
        PeerReply::Consumed(consumer) => {
            named.broadcaster.note_consumer();
            Ok(consumer)
        }
        _ => Err(Failure::unexpected()),
    }
}

/// `POST …/transports/T/resume`, classic.
pub(super) async fn resume_classic(
    State(edge): State<Edge>,
    Path((room, id, _)): TransportPath,
    caller: Caller,
    body: Bytes,
) -> Response<Body> {
    Named::run(&edge, &room, &id, &caller, async |named| {
        let wish: Resume = body::read(&body)?;
        resume_one(&named, &wish.consumer_id).await?;
        Ok(Json(json!({ "id": wish.consumer_id })).into_response())
    })
    .await
}

/// `POST …/consumers/C/resume`, newest.
pub(super) async fn resume(
    State(edge): State<Edge>,
    Path((room, id, consumer)): TransportPath,
    caller: Caller,
) -> Response<Body> {
    Named::run(&edge, &room, &id, &caller, async |named| {
        resume_one(&named, &consumer).await?;
        Ok(text(StatusCode::OK, "consumer resumed"))
    })
    .await
}

async fn resume_one(named: &Named, consumer: &str) -> Result<(), Failure> {
    let id: ConsumerId = consumer
        .parse()
        .map_err(|_| Failure::not_found("consumer", consumer))?;
    named
        .request(PeerRequest::ResumeConsumer { consumer: id })
        .await?;
    Ok(())
}

/// `POST …/transports/T/produce/data`, classic. Nobody gets it who does not ask.
pub(super) async fn produce_data(
    State(edge): State<Edge>,
    Path((room, id, transport)): TransportPath,
    caller: Caller,
    body: Bytes,
) -> Response<Body> {
    Named::run(&edge, &room, &id, &caller, async |named| {
        let wish: ProduceData = body::read(&body)?;
        let body = PeerRequest::ProduceData {
            transport: transport_id(&transport)?,
            stream: wish.sctp_stream_parameters.into(),
            label: wish.label,
            protocol: wish.protocol,
            app_data: wish.app_data,
            audience: Audience::Asking,
        };
        match named.request(body).await? {
            PeerReply::DataProduced { data_producer } => {
                Ok(Json(json!({ "id": data_producer })).into_response())
            }
            _ => Err(Failure::unexpected()),
        }
    })
    .await
}

/// `POST …/transports/T/consume/data`, classic.
pub(super) async fn consume_data(
    State(edge): State<Edge>,
    Path((room, id, transport)): TransportPath,
    caller: Caller,
    body: Bytes,
) -> Response<Body> {
    Named::run(&edge, &room, &id, &caller, async |named| {
        let wish: ConsumeData = body::read(&body)?;
        if named.broadcaster.capabilities.is_none() {
            let reason = "the broadcaster did not say what it can receive";
            return Err(Failure::new(ErrorKind::Conflict, reason));
        }
        let source: DataProducerId = wish
            .data_producer_id
            .parse()
            .map_err(|_| Failure::not_found("dataProducer", &wish.data_producer_id))?;
        let body = PeerRequest::ConsumeData {
            data_producer: source,
            transport: Some(transport_id(&transport)?),
        };
        match named.request(body).await? {
            PeerReply::DataConsumed(consumer) => {
                named.broadcaster.note_consumer();
                let stream = consumer.stream.stream_id;
                let value = json!({ "id": consumer.data_consumer, "streamId": stream });
                Ok(Json(value).into_response())
            }
            _ => Err(Failure::unexpected()),
        }
    })
    .await
}

/// `GET …/peerProducersInfos`, newest.
pub(super) async fn infos(
    State(edge): State<Edge>,
    Path((room, id)): OnePath,
    caller: Caller,
) -> Response<Body> {
    Named::run(&edge, &room, &id, &caller, async |named| {
        if !named.broadcaster.has_joined() {
            let reason = "the broadcaster has not joined";
            return Err(Failure::new(ErrorKind::Conflict, reason));
        }
        let PeerReply::Room(room) = named.request(PeerRequest::GetRoom).await? else {
            return Err(Failure::unexpected());
        };
        let peers = room.peers.iter().map(|peer| {
            let producers = peer.producers.iter().map(body::producer);
            json!({ "peerId": peer.peer, "producers": producers.collect::<Vec<_>>() })
        });
        let value = json!({ "peerProducersInfos": peers.collect::<Vec<_>>() });
        Ok(Json(value).into_response())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_told_without_its_port() {
        for (header, host) in [
            ("sfu.example.org", "sfu.example.org"),
            ("sfu.example.org:3000", "sfu.example.org"),
            ("192.0.2.1:3000", "192.0.2.1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:3000", "2001:db8::1"),
            ("", ""),
        ] {
            assert_eq!(host_name(header), host, "{header}");
        }
    }
}
