//! Handles of plain transports.

use plenum_ids::TransportId;
use plenum_ipc::{Answer, Request};
use plenum_params::transport::{
    PlainRemote, PlainTransportInfo, PlainTransportOptions, SrtpParameters,
};

use super::{RouterHandle, TransportHandle};
use crate::error::WorkerError;

impl RouterHandle {
    /// Creates a plain transport in it.
    pub async fn create_plain_transport(
        &self,
        id: TransportId,
        options: PlainTransportOptions,
    ) -> Result<(TransportHandle, PlainTransportInfo), WorkerError> {
        let request = Request::CreatePlainTransport {
            router: self.id,
            transport: id,
            options,
        };
        let object = self.object.under(Request::CloseTransport { transport: id });
        let (object, answer) = object.create(request).await?;
        let Answer::PlainTransport(info) = answer else {
            return Err(WorkerError::UnexpectedAnswer);
        };
        Ok((TransportHandle { id, object }, info))
    }
}

impl TransportHandle {
    /// Tells a plain transport where its other side is, unless it is to find out by itself, and that side's keys, if it was
    /// made with any.
    pub async fn connect_plain(
        &self,
        remote: Option<PlainRemote>,
        srtp: Option<SrtpParameters>,
    ) -> Result<PlainTransportInfo, WorkerError> {
        let request = Request::ConnectPlainTransport {
            transport: self.id,
            remote,
            srtp,
        };
        match self.object.ask(request).await? {
            Answer::PlainTransport(info) => Ok(info),
            _ => Err(WorkerError::UnexpectedAnswer),
        }
    }
}
