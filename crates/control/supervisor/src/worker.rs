//! One worker process as its users see it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use plenum_ids::WorkerId;
use plenum_ipc::{Answer, NodeToWorker, Packet, Request, RequestError, encode};
use plenum_params::trace::TraceEvent;
use plenum_udp::PacketSocket;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::{
    error::WorkerError,
    packets::{ObjectPackets, PacketCounters, PacketLink, ReceivedPacket},
    traces::{TraceLog, Traces},
};

/// Bytes waiting to be sent above which requests are refused: a worker that is this far behind does not answer in time.
const MAX_WAITING_BYTES: usize = 8 * 1024 * 1024;

/// A worker process. Cheap to clone; stays valid, and fails every request, when the process has ended.
#[derive(Clone)]
pub struct Worker {
    link: Arc<Link>,
}

/// What handles and the task that owns the control socket share.
pub(crate) struct Link {
    id: WorkerId,
    pid: u32,
    request_timeout: Duration,
    state: Mutex<State>,
    /// There is something to send.
    wake: Notify,
    packets: PacketLink,
    traces: Mutex<TraceLog>,
}

/// What waits for a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backlog {
    /// Requests without an answer.
    pub requests: usize,
    /// Bytes that its control socket has not taken.
    pub bytes: usize,
}

type Reply = Result<Answer, RequestError>;

struct State {
    open: bool,
    next_id: u64,
    /// The latest request that was answered.
    answered: u64,
    outgoing: Vec<u8>,
    pending: HashMap<u64, oneshot::Sender<Reply>>,
}

impl Worker {
    pub(crate) fn new(
        id: WorkerId,
        pid: u32,
        request_timeout: Duration,
        packets: PacketSocket,
    ) -> Self {
        let state = State {
            open: true,
            next_id: 0,
            answered: 0,
            outgoing: Vec::new(),
            pending: HashMap::new(),
        };
        let link = Link {
            id,
            pid,
            request_timeout,
            state: Mutex::new(state),
            wake: Notify::new(),
            packets: PacketLink::new(packets),
            traces: Mutex::default(),
        };
        Self {
            link: Arc::new(link),
        }
    }

    /// Asks the worker and waits for the answer, no longer than the supervisor's request timeout.
    ///
    /// Requests are carried out in the order in which this is first polled. Dropping the future does not take the request
    /// back.
    pub async fn request(&self, request: Request) -> Result<Answer, WorkerError> {
        self.ask(request, false).await
    }

    /// A request by which the supervisor sees that the worker lives. It goes out however much is waiting: otherwise a
    /// worker that takes nothing would never be asked.
    pub(crate) async fn heartbeat(&self) -> Result<Answer, WorkerError> {
        self.ask(Request::WorkerStats, true).await
    }

    async fn ask(&self, request: Request, beyond_limit: bool) -> Result<Answer, WorkerError> {
        let (id, reply) = self.link.submit(request, beyond_limit)?;
        let guard = Pending {
            link: &self.link,
            id,
        };
        let after = self.link.request_timeout;
        let result = match tokio::time::timeout(after, reply).await {
            Ok(Ok(reply)) => Ok(reply?),
            Ok(Err(_)) => Err(WorkerError::Gone),
            Err(_) => Err(WorkerError::Timeout { after }),
        };
        drop(guard);
        result
    }

    /// Tells the worker something without waiting for the answer. Does nothing when the worker is gone.
    pub fn notify(&self, request: Request) {
        self.link.enqueue(request, true).ok();
    }

    /// Sends a packet past all requests, or loses it if the worker is behind; whether it was sent. Nothing tells whether
    /// the worker knew its object but the worker's counters.
    pub fn send_packet(&self, packet: &Packet<'_>) -> Result<bool, WorkerError> {
        self.link.packets.send(packet)
    }

    /// Gives the packets that the worker sends from now on to the receiver, and no longer to an earlier one. When
    /// `capacity` packets are waiting, or nobody listens, packets are lost. The end of the process ends it.
    pub fn listen_packets(&self, capacity: usize) -> mpsc::Receiver<ReceivedPacket> {
        self.link.packets.listen(capacity)
    }

    /// Gives the packets of this object to the receiver.
    pub(crate) fn listen_to(&self, object: u128, capacity: usize) -> ObjectPackets {
        self.link.packets.listen_to(object, capacity)
    }

    /// What became of the packets so far.
    pub fn packet_counters(&self) -> PacketCounters {
        self.link.packets.counters()
    }

    /// What it traced since this was last asked, as far as it was kept.
    pub fn take_traces(&self) -> Traces {
        self.link.traces().take()
    }

    /// What waits for the worker.
    pub(crate) fn backlog(&self) -> Backlog {
        let state = self.link.state();
        Backlog {
            requests: state.pending.len(),
            bytes: state.outgoing.len(),
        }
    }

    /// Number of the worker inside its node.
    pub fn id(&self) -> WorkerId {
        self.link.id
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.link.pid
    }

    /// Whether the process has ended.
    pub fn is_closed(&self) -> bool {
        !self.link.state().open
    }

    /// Whether both are handles of the same process.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.link, &other.link)
    }

    pub(crate) fn link(&self) -> &Link {
        &self.link
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("id", &self.link.id)
            .field("pid", &self.link.pid)
            .finish_non_exhaustive()
    }
}

impl Link {
    /// Waits until there is something to send and puts it in `outgoing`, which must be empty.
    pub(crate) async fn take_outgoing(&self, outgoing: &mut Vec<u8>) {
        loop {
            std::mem::swap(&mut self.state().outgoing, outgoing);
            if !outgoing.is_empty() {
                return;
            }
            self.wake.notified().await;
        }
    }

    /// An answer arrived. Nobody may be waiting for it any more.
    pub(crate) fn handle_response(&self, id: u64, reply: Reply) {
        let mut state = self.state();
        // Whatever was never asked is no answer.
        if id <= state.next_id {
            state.answered = state.answered.max(id);
        }
        let waiting = state.pending.remove(&id);
        drop(state);
        if let Some(waiting) = waiting {
            waiting.send(reply).ok();
        }
    }

    /// The process has ended: every open and every later request fails.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.open = false;
        state.outgoing = Vec::new();
        state.pending.clear();
        drop(state);
        self.packets.close();
    }

    pub(crate) fn packets(&self) -> &PacketLink {
        &self.packets
    }

    /// The latest request that was answered, in time or not.
    pub(crate) fn answered(&self) -> u64 {
        self.state().answered
    }

    fn submit(
        &self,
        request: Request,
        beyond_limit: bool,
    ) -> Result<(u64, oneshot::Receiver<Reply>), WorkerError> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.enqueue(request, beyond_limit)?;
        let id = state.next_id;
        state.pending.insert(id, sender);
        Ok((id, receiver))
    }

    /// Writes a request under the next identifier, and returns with the state still locked.
    fn enqueue(
        &self,
        body: Request,
        beyond_limit: bool,
    ) -> Result<MutexGuard<'_, State>, WorkerError> {
        let mut state = self.state();
        if !state.open {
            return Err(WorkerError::Gone);
        }
        if state.outgoing.len() > MAX_WAITING_BYTES && !beyond_limit {
            return Err(WorkerError::Overloaded);
        }
        state.next_id += 1;
        let id = state.next_id;
        encode(&NodeToWorker::Request { id, body }, &mut state.outgoing)
            .map_err(WorkerError::NotSendable)?;
        self.wake.notify_one();
        Ok(state)
    }

    /// The worker traced something.
    pub(crate) fn keep_trace(&self, event: TraceEvent) {
        self.traces().push(event);
    }

    fn traces(&self) -> MutexGuard<'_, TraceLog> {
        // Nothing that can panic runs while it is held.
        self.traces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets a request that nobody waits for any more.
struct Pending<'a> {
    link: &'a Link,
    id: u64,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.link.state().pending.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use plenum_ipc::{Decoder, ErrorCode};

    use super::*;

    fn worker() -> Worker {
        let (packets, _) = PacketSocket::pair(4096).expect("a pair");
        Worker::new(WorkerId(0), 1, Duration::from_millis(20), packets)
    }

    async fn sent(worker: &Worker) -> Vec<(u64, Request)> {
        let mut bytes = Vec::new();
        worker.link.take_outgoing(&mut bytes).await;
        let mut decoder = Decoder::new();
        decoder.feed(&bytes).expect("little");
        let mut requests = Vec::new();
        while let Some(frame) = decoder.next_frame().expect("well-formed") {
            let NodeToWorker::Request { id, body } = frame else {
                panic!("only requests are queued");
            };
            requests.push((id, body));
        }
        requests
    }

    #[tokio::test]
    async fn answers_find_their_requests() {
        let worker = worker();
        let answer = async {
            let requests = sent(&worker).await;
            assert_eq!(requests.len(), 2);
            let refusal = RequestError {
                code: ErrorCode::NotFound,
                reason: "no such thing".into(),
            };
            // An answer that nobody asked for is ignored.
            worker.link.handle_response(99, Ok(Answer::Done));
            assert_eq!(worker.link.answered(), 0);
            worker.link.handle_response(requests[1].0, Err(refusal));
            assert_eq!(worker.link.answered(), requests[1].0);
            // And so is a second one.
            worker.link.handle_response(requests[1].0, Ok(Answer::Done));
            worker.link.handle_response(requests[0].0, Ok(Answer::Done));
        };
        let (first, second, ()) = tokio::join!(
            worker.request(Request::WorkerStats),
            worker.request(Request::WorkerStats),
            answer
        );
        assert_eq!(first, Ok(Answer::Done));
        assert!(matches!(second, Err(WorkerError::Refused(_))));
    }

    #[tokio::test]
    async fn a_request_without_answer_ends_and_is_forgotten() {
        let worker = worker();
        let result = worker.request(Request::WorkerStats).await;
        assert!(matches!(result, Err(WorkerError::Timeout { .. })));
        assert!(worker.link.state().pending.is_empty());
    }

    #[tokio::test]
    async fn requests_fail_when_the_worker_is_gone() {
        let worker = worker();
        let close = async {
            sent(&worker).await;
            worker.link.close();
        };
        let (result, ()) = tokio::join!(worker.request(Request::WorkerStats), close);
        assert_eq!(result, Err(WorkerError::Gone));
        assert_eq!(
            worker.request(Request::WorkerStats).await,
            Err(WorkerError::Gone)
        );
        assert!(worker.is_closed());
        worker.notify(Request::WorkerStats);
    }

    #[tokio::test]
    async fn a_worker_far_behind_refuses_requests_but_not_notices() {
        let worker = worker();
        while worker.link.state().outgoing.len() <= MAX_WAITING_BYTES {
            worker.notify(Request::WorkerStats);
        }
        assert_eq!(
            worker.request(Request::WorkerStats).await,
            Err(WorkerError::Overloaded)
        );
        // The supervisor's own is sent all the same, so that a worker that takes nothing is found out.
        let result = worker.heartbeat().await;
        assert!(matches!(result, Err(WorkerError::Timeout { .. })));
        let before = worker.link.state().outgoing.len();
        worker.notify(Request::WorkerStats);
        assert!(worker.link.state().outgoing.len() > before);
    }
}
