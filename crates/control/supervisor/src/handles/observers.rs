//! Observers of audio. What they find comes as events of their worker: `Volumes`, `Silence`, `DominantSpeaker`.

use plenum_ids::{ProducerId, RtpObserverId};
use plenum_ipc::Request;

use super::Object;
use crate::error::WorkerError;

/// An observer in a worker.
#[derive(Debug)]
pub struct ObserverHandle {
    id: RtpObserverId,
    object: Object,
}

impl ObserverHandle {
    pub(super) async fn create(
        router: &Object,
        id: RtpObserverId,
        request: Request,
    ) -> Result<Self, WorkerError> {
        let object = router.under(Request::CloseObserver { observer: id });
        let object = object.create_done(request).await?;
        Ok(Self { id, object })
    }

    /// Watches an audio producer of its router from now on; until that is closed.
    pub async fn observe(&self, producer: ProducerId) -> Result<(), WorkerError> {
        let observer = self.id;
        self.object
            .ask_done(Request::ObserveProducer { observer, producer })
            .await
    }

    /// Watches a producer no longer.
    pub async fn unobserve(&self, producer: ProducerId) -> Result<(), WorkerError> {
        let observer = self.id;
        self.object
            .ask_done(Request::UnobserveProducer { observer, producer })
            .await
    }

    /// Reports nothing for a while.
    pub async fn pause(&self) -> Result<(), WorkerError> {
        let observer = self.id;
        self.object
            .ask_done(Request::PauseObserver { observer })
            .await
    }

    /// Reports again, of what comes from now on.
    pub async fn resume(&self) -> Result<(), WorkerError> {
        let observer = self.id;
        self.object
            .ask_done(Request::ResumeObserver { observer })
            .await
    }

    /// Its identifier.
    pub fn id(&self) -> RtpObserverId {
        self.id
    }
}
