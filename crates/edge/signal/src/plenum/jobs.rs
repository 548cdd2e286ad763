//! Requests of one client that the room is working on.

use std::collections::{BTreeMap, HashMap, VecDeque};

use plenum_api::{error::ErrorKind, plenum::RefusedProducer};
use plenum_room::{NewConsumer, NewDataConsumer, PeerReply, PeerRequest, RequestId, RoomError};

use super::{incoming::Answer, outgoing};

/// What the room was asked, and what each reply is for.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    /// By the identifiers that the client gave them.
    by_id: BTreeMap<u64, Job>,
    /// What the room works on.
    parts: HashMap<RequestId, Part>,
    /// What it is asked when it has answered something, in the order in which the client asked.
    waiting: VecDeque<(Part, PeerRequest)>,
    next_request: u64,
}

/// Parts that the room works on at a time. It takes 128 requests of a peer that wait for workers, and refuses what comes
/// beyond: half of them leave it room for what is asked of it besides, as at the entrance.
const UNDER_WAY: usize = 64;

/// Parts of one client that may be unanswered at a time when it asks for something more. A room answers all of them in the
/// end, so that the table can only grow by hurry.
const MAX_OPEN: usize = 512;

/// What a reply is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// This part of what this request asked for.
    Job(u64, usize),
    /// A transport that a `join` connects.
    Connect,
    /// Something that the client refused.
    Unwanted,
}

/// One request of the client.
#[derive(Debug)]
struct Job {
    answer: Answer,
    missing: usize,
    /// What went wrong first.
    error: Option<RoomError>,
    /// The only reply there is.
    reply: Option<PeerReply>,
    consumers: Vec<NewConsumer>,
    data_consumers: Vec<NewDataConsumer>,
    refused: Vec<RefusedProducer>,
}

/// Where a reply of the room belongs.
#[derive(Debug, PartialEq)]
pub(super) enum Progress {
    /// To nothing here; it comes back.
    Elsewhere(Result<PeerReply, RoomError>),
    /// To something that is not answered, or not yet.
    Under,
    /// It was the last one: the answer to this request of the client.
    Done { id: u64, answer: String },
    /// A transport could not be connected by a client who counts on it.
    Broken(RoomError),
}

impl Jobs {
    /// A number for a request to the room.
    pub(super) const fn next_request(&mut self) -> RequestId {
        let request = RequestId(self.next_request);
        self.next_request += 1;
        request
    }

    /// Whether the client has to wait until some of what it asked for is answered.
    pub(super) fn is_full(&self) -> bool {
        self.parts.len() + self.waiting.len() >= MAX_OPEN
    }

    /// What to ask of the room now, if anything.
    pub(super) fn ready(&mut self) -> Option<(RequestId, PeerRequest)> {
        if self.parts.len() >= UNDER_WAY {
            return None;
        }
        let (part, body) = self.waiting.pop_front()?;
        let request = self.next_request();
        self.parts.insert(request, part);
        Some((request, body))
    }

    /// Whether this request of the client is being worked on.
    pub(super) fn contains(&self, id: u64) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Takes a request of the client, or gives the answer if there is nothing to be asked of the room.
    pub(super) fn begin(
        &mut self,
        id: u64,
        parts: Vec<PeerRequest>,
        answer: Answer,
    ) -> Result<(), String> {
        let job = Job {
            missing: parts.len(),
            answer,
            error: None,
            reply: None,
            consumers: Vec::new(),
            data_consumers: Vec::new(),
            refused: Vec::new(),
        };
        if parts.is_empty() {
            return Err(job.into_answer(id));
        }
        self.by_id.insert(id, job);
        let parts = parts.into_iter().enumerate();
        self.waiting
            .extend(parts.map(|(index, body)| (Part::Job(id, index), body)));
        Ok(())
    }

    /// Connects a transport before a join.
    pub(super) fn connect(&mut self, connect: PeerRequest) {
        self.waiting.push_back((Part::Connect, connect));
    }

    /// Closes something that the client refused.
    pub(super) fn close(&mut self, close: PeerRequest) {
        self.waiting.push_back((Part::Unwanted, close));
    }

    /// Takes a reply of the room.
    pub(super) fn handle_reply(
        &mut self,
        request: RequestId,
        result: Result<PeerReply, RoomError>,
    ) -> Progress {
        let (id, index) = match (self.parts.remove(&request), result) {
            (None, result) => return Progress::Elsewhere(result),
            (Some(Part::Connect), Err(error)) => return Progress::Broken(error),
            (Some(Part::Connect | Part::Unwanted), _) => return Progress::Under,
            (Some(Part::Job(id, index)), result) => {
                if let Some(job) = self.by_id.get_mut(&id) {
                    job.handle_reply(index, result);
                }
                (id, index)
            }
        };
        if self.by_id.get(&id).is_some_and(|job| job.missing > 0) {
            return Progress::Under;
        }
        tracing::trace!(id, index, "request done");
        match self.by_id.remove(&id) {
            Some(job) => Progress::Done {
                id,
                answer: job.into_answer(id),
            },
            None => Progress::Under,
        }
    }

    /// Gives everything up: which requests are to be answered otherwise.
    pub(super) fn drain(&mut self) -> Vec<u64> {
        self.parts.clear();
        self.waiting.clear();
        let jobs = std::mem::take(&mut self.by_id);
        jobs.into_keys().collect()
    }
}

impl Job {
    fn handle_reply(&mut self, index: usize, result: Result<PeerReply, RoomError>) {
        self.missing = self.missing.saturating_sub(1);
        match (result, &self.answer) {
            (Ok(PeerReply::Consumed(consumer)), _) => self.consumers.push(*consumer),
            (Ok(PeerReply::DataConsumed(consumer)), _) => self.data_consumers.push(*consumer),
            (Ok(reply), _) => self.reply = Some(reply),
            (Err(error), Answer::Consume(asked)) => self.refused.push(RefusedProducer {
                producer_id: asked.get(index).cloned().unwrap_or_default(),
                code: error.kind.code(),
                reason: error.reason,
            }),
            (Err(error), Answer::Rest) if error.kind == ErrorKind::NotFound => {}
            (Err(error), _) => self.error = self.error.take().or(Some(error)),
        }
    }

    fn into_answer(self, id: u64) -> String {
        if let Some(error) = &self.error {
            return outgoing::refusal(id, error);
        }
        match (&self.answer, &self.reply) {
            (Answer::Consume(_), _) => {
                let consumers = (&*self.consumers, &*self.data_consumers);
                outgoing::consumed(id, consumers, self.refused)
            }
            (Answer::Reply, Some(reply)) => outgoing::reply(id, reply),
            _ => outgoing::done(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use plenum_ids::ConsumerId;
    use serde_json::{Value, json};

    use super::*;

    fn parse(answer: &str) -> Value {
        serde_json::from_str(answer).expect("JSON")
    }

    fn parts(count: u128) -> Vec<PeerRequest> {
        let consumer = |n| PeerRequest::CloseConsumer {
            consumer: ConsumerId::from_u128(n),
        };
        (0..count).map(consumer).collect()
    }

    fn begin(jobs: &mut Jobs, id: u64, count: u128, answer: Answer) -> Vec<RequestId> {
        jobs.begin(id, parts(count), answer).expect("work");
        ready(jobs)
    }

    fn ready(jobs: &mut Jobs) -> Vec<RequestId> {
        let ready = std::iter::from_fn(|| jobs.ready());
        ready.map(|(request, _)| request).collect()
    }

    #[test]
    fn the_room_is_asked_for_no_more_than_it_takes_until_it_has_answered() {
        let mut jobs = Jobs::default();
        let mut under_way: VecDeque<_> = begin(&mut jobs, 7, 200, Answer::Rest).into();
        jobs.begin(8, parts(1), Answer::Reply).expect("work");
        let (mut answered, mut done) = (0, Vec::new());
        while let Some(request) = under_way.pop_front() {
            assert!(under_way.len() < UNDER_WAY);
            answered += 1;
            if let Progress::Done { id, .. } = jobs.handle_reply(request, Ok(PeerReply::Done)) {
                done.push((id, answered));
            }
            under_way.extend(ready(&mut jobs));
        }
        // What came later is done later, and everything is.
        assert_eq!(done, [(7, 200), (8, 201)]);
    }

    #[test]
    fn who_asks_for_more_than_is_answered_has_to_wait() {
        let mut jobs = Jobs::default();
        for id in 0..512 {
            assert!(!jobs.is_full());
            jobs.begin(id, parts(1), Answer::Reply).expect("work");
        }
        assert!(jobs.is_full());
        let requests = ready(&mut jobs);
        assert!(jobs.is_full());
        jobs.handle_reply(requests[0], Ok(PeerReply::Done));
        assert!(!jobs.is_full());
    }

    #[test]
    fn a_request_of_several_parts_is_answered_once_at_the_end() {
        let mut jobs = Jobs::default();
        let requests = begin(&mut jobs, 7, 3, Answer::Rest);
        let gone = || Err(RoomError::not_found("consumer", "x"));
        assert_eq!(
            jobs.handle_reply(requests[2], Ok(PeerReply::Done)),
            Progress::Under
        );
        assert_eq!(jobs.handle_reply(requests[0], gone()), Progress::Under);
        assert!(jobs.contains(7));
        let Progress::Done { id, answer } = jobs.handle_reply(requests[1], Ok(PeerReply::Done))
        else {
            panic!("not done");
        };
        assert_eq!(id, 7);
        assert_eq!(
            parse(&answer),
            json!({"response": true, "id": 7, "ok": true, "data": {}})
        );
        assert!(jobs.parts.is_empty());
        assert!(!jobs.contains(7));
    }

    #[test]
    fn the_first_error_counts() {
        let mut jobs = Jobs::default();
        let requests = begin(&mut jobs, 7, 2, Answer::All);
        let error = RoomError::new(ErrorKind::Forbidden, "only hosts may do that");
        assert_eq!(jobs.handle_reply(requests[0], Err(error)), Progress::Under);
        let Progress::Done { answer, .. } = jobs.handle_reply(requests[1], Ok(PeerReply::Done))
        else {
            panic!("not done");
        };
        assert_eq!(parse(&answer)["errorCode"], 403);
    }

    #[test]
    fn what_cannot_be_consumed_is_named() {
        let mut jobs = Jobs::default();
        let asked = vec!["a".to_owned(), "b".to_owned()];
        let requests = begin(&mut jobs, 7, 2, Answer::Consume(asked));
        for request in requests {
            let refused = RoomError::new(ErrorKind::Conflict, "no");
            if let Progress::Done { answer, .. } = jobs.handle_reply(request, Err(refused)) {
                let answer = parse(&answer);
                assert_eq!(
                    answer["data"]["refused"],
                    json!([{"producerId": "a", "code": 409, "reason": "no"},
                        {"producerId": "b", "code": 409, "reason": "no"}])
                );
                return;
            }
        }
        panic!("never done");
    }

    #[test]
    fn nothing_to_do_is_done() {
        let mut jobs = Jobs::default();
        let answer = jobs
            .begin(7, Vec::new(), Answer::Rest)
            .expect_err("nothing");
        assert_eq!(parse(&answer)["ok"], true);
        assert!(!jobs.contains(7));
    }

    #[test]
    fn given_up_work_finds_nobody() {
        let mut jobs = Jobs::default();
        let requests = begin(&mut jobs, 7, 1, Answer::Reply);
        assert_eq!(jobs.drain(), [7]);
        let reply = Ok(PeerReply::Done);
        let elsewhere = jobs.handle_reply(requests[0], reply.clone());
        assert_eq!(elsewhere, Progress::Elsewhere(reply));
    }
}
