//! Plain transports of peers: RTP as it is, or with keys that signalling carries.

use plenum_ids::TransportId;
use plenum_ipc::message::Request;
use plenum_params::transport::{PlainRemote, PlainTransportOptions, SrtpParameters};

use crate::{
    command::{RequestId, SessionId},
    effect::Effect,
    room::{Outcome, Room},
    state::{Form, Work},
};

impl Room {
    pub(super) fn create_plain_transport(
        &mut self,
        caller: (SessionId, RequestId),
        consuming: bool,
        options: PlainTransportOptions,
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        let (router, transport) =
            self.enter_transport(caller.0, Form::Plain, (consuming, false))?;
        let request = Request::CreatePlainTransport {
            router,
            transport,
            options,
        };
        self.forward(caller, Work::CreatePlain(transport), request, effects)
    }

    pub(super) fn connect_plain_transport(
        &mut self,
        caller: (SessionId, RequestId),
        transport: TransportId,
        (remote, srtp): (Option<PlainRemote>, Option<SrtpParameters>),
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        self.note_connecting(caller.0, transport, Form::Plain)?;
        let request = Request::ConnectPlainTransport {
            transport,
            remote,
            srtp,
        };
        self.forward(caller, Work::ConnectPlain(transport), request, effects)
    }
}
