//! WHIP: a client that publishes.

use plenum_params::rtp_parameters::RtpParameters;
use plenum_room::{Door, PeerRequest};
use plenum_sdp::{AnswerSection, Offer, Section};
use serde_json::{Map, Value};
use tracing::{Instrument as _, debug, info_span};

use super::{
    Created,
    refusal::Refusal,
    setup::{self, Newcomer, Running},
};
use crate::{Edge, caller::Caller};

/// Makes a publisher's session.
pub(super) async fn start(
    edge: &Edge,
    room: &str,
    caller: &Caller,
    body: &[u8],
) -> Result<Created, Refusal> {
    let knock = caller.knock(room, caller.find("peer"), Door::Whip);
    let admitted = edge.admit(&knock)?;
    let offer = setup::offer(caller, body)?;
    setup::check_sections(&offer, Section::sends)?;
    let span = info_span!("whip", room = %admitted.0, peer = %admitted.1.peer);
    let newcomer = Newcomer::enter(edge, admitted, caller).await?;
    let produced = parameters(&newcomer, &offer)?;
    let transport = newcomer.connect(&offer, true).await?;
    newcomer.join("whip", caller).await?;
    let mut sections = Vec::new();
    for (section, parameters) in offer.sections.iter().zip(produced) {
        sections.push(AnswerSection::receive(section, &parameters));
        let mut app_data = Map::new();
        // What clients of newer mediasoup-demo tell cameras from screens by.
        let source = section.kind.as_str();
        app_data.insert("source".to_owned(), Value::from(source));
        let body = PeerRequest::Produce {
            transport: transport.0,
            kind: section.kind,
            voice: section.kind == plenum_params::media::MediaKind::Audio,
            rtp_parameters: parameters,
            app_data,
            paused: false,
            wish: None,
        };
        newcomer.guest.request(body).await?;
    }
    let (created, running) = newcomer.settle(edge, &offer, transport, sections)?;
    tokio::spawn(watch(running).instrument(span));
    Ok(created)
}

fn parameters(newcomer: &Newcomer, offer: &Offer) -> Result<Vec<RtpParameters>, Refusal> {
    let sections = offer.sections.iter();
    let each = sections.map(|section| section.producer_parameters(&newcomer.router));
    Ok(each.collect::<Result<_, _>>()?)
}

/// Sees to a session until it is over. Whoever publishes is told of nothing.
async fn watch(mut running: Running) {
    debug!("publishes");
    while running.next().await.is_some() {}
}
