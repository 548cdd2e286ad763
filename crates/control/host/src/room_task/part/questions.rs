//! Questions of other nodes' parts that this one has not answered.

use std::collections::HashMap;

use plenum_room::{NodeAskId, NodeFailure, NodeReply};

use crate::cluster::Answering;

/// Each is a pipe that is being made, or a decision.
const MAX_QUESTIONS: usize = 4096;

/// Where answers go.
#[derive(Debug, Default)]
pub(super) struct Questions {
    open: HashMap<NodeAskId, Answering>,
    last: u64,
}

impl Questions {
    /// The question's number. When there are too many, its answer is that it is lost.
    pub(super) fn take(&mut self, answering: Answering) -> Option<NodeAskId> {
        if self.open.len() >= MAX_QUESTIONS {
            answering.answer(Err(NodeFailure::Lost));
            return None;
        }
        self.last += 1;
        let ask = NodeAskId(self.last);
        self.open.insert(ask, answering);
        Some(ask)
    }

    pub(super) fn answer(&mut self, ask: NodeAskId, result: Result<NodeReply, NodeFailure>) {
        if let Some(answering) = self.open.remove(&ask) {
            answering.answer(result);
        }
    }

    /// Nobody answers any more.
    pub(super) fn lose(self) {
        for answering in self.open.into_values() {
            answering.answer(Err(NodeFailure::Lost));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_without_an_answer_are_bounded_and_one_more_is_lost() {
        let mut questions = Questions::default();
        let (answering, mut answers) = Answering::pair(MAX_QUESTIONS + 2);
        let mut taken = Vec::new();
        for _ in 0..MAX_QUESTIONS {
            taken.extend(questions.take(answering.again()));
        }
        assert_eq!(taken.len(), MAX_QUESTIONS);
        assert!(answers.try_recv().is_err(), "nobody has answered");
        assert_eq!(questions.take(answering.again()), None);
        assert!(answers.try_recv().is_ok(), "it is lost");
        questions.answer(taken[0], Ok(NodeReply::Done));
        assert!(answers.try_recv().is_ok());
        assert!(
            questions.take(answering.again()).is_some(),
            "there is room again"
        );
        questions.lose();
        let lost = std::iter::from_fn(|| answers.try_recv().ok());
        assert_eq!(lost.count(), MAX_QUESTIONS);
    }
}
