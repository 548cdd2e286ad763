//! Which node somebody goes to.

use plenum_ids::RoomName;

use super::{Cluster, Way, Who};
use crate::host::{ConnectError, Host};

impl Cluster {
    /// Everybody stays at the node that it came to, which has a part of the room of its own.
    #[expect(clippy::unused_async, reason = "whoever chooses asks the registry")]
    pub(crate) async fn locate(
        &self,
        _host: &Host,
        room: &RoomName,
        _who: &Who,
    ) -> Result<Way, ConnectError> {
        Ok(Way::here(room))
    }
}
