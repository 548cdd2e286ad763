//! A room's task and its part of a room that may have others elsewhere.

use std::{collections::VecDeque, time::Instant};

use plenum_room::{Command, Effect, Home, NodeFailure};

use super::{
    Input, RoomTask,
    part::{Part, PartEvent},
};

/// What clients say before the other parts are known.
#[derive(Debug, Default)]
pub(super) struct Waiting(VecDeque<Input>);

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of it, in order.
    pub(super) fn take(&mut self) -> VecDeque<Input> {
        std::mem::take(&mut self.0)
    }

    /// Gives back what need not wait. That the room is settled does not suffice: its time may have run out since others were told to
    /// wait, and a client's request that comes before its arrival is nobody's, and never answered.
    fn pass(&mut self, input: Input, is_settled: bool) -> Option<Input> {
        let is_of_client = matches!(
            input,
            Input::Connect { .. }
                | Input::Release { .. }
                | Input::Command(
                    Command::ClientAnswer { .. }
                        | Command::PeerDisconnected { .. }
                        | Command::Request { .. }
                )
        );
        if is_of_client && !(is_settled && self.is_empty()) {
            self.0.push_back(input);
            return None;
        }
        Some(input)
    }
}

impl RoomTask {
    /// An input, or later if it is a client's and it is not yet known who else is in the room.
    pub(super) fn take(&mut self, input: Input) {
        let is_settled = !self.is_unsettled();
        if let Some(input) = self.waiting.pass(input, is_settled) {
            self.handle_input(input);
        }
    }

    fn is_unsettled(&mut self) -> bool {
        let part = self.part.as_mut();
        part.is_some_and(|part| !part.is_settled(Instant::now()))
    }

    /// Who has waited comes in as soon as it is known who else is in the room.
    pub(super) fn let_in(&mut self) {
        if !self.is_unsettled() && !self.waiting.is_empty() {
            for input in self.waiting.take() {
                self.handle_input(input);
            }
        }
    }

    pub(super) fn handle_part(&mut self, event: PartEvent) {
        if let Some(part) = &mut self.part {
            let commands = part.handle(Instant::now(), event, &self.room);
            self.hear(commands);
        }
        self.handle_todo();
    }

    /// A room that was asleep with its node hears that it does not decide any more before it does anything else.
    pub(super) fn note_lapse(&mut self) {
        let part = self.part.as_mut();
        if let Some(command) = part.and_then(|part| part.lapse_command()) {
            let mut effects = Vec::new();
            self.room.handle(Instant::now(), command, &mut effects);
            for effect in effects {
                self.carry_out(effect);
            }
        }
    }

    /// The room is no part of a larger one any more: nobody is told anything, and nobody tells it anything.
    pub(super) fn end_part(&mut self) {
        if let Some(part) = self.part.take() {
            part.end();
            self.todo.push_back(Command::Home(Home::Unreachable));
        }
    }

    pub(super) fn carry_out_between_nodes(&mut self, effect: Effect) {
        match (effect, &mut self.part) {
            (Effect::AskNode { op, node, request }, Some(_)) => self.ask_node(op, node, request),
            (Effect::AskNode { op, .. }, None) => {
                let result = Err(NodeFailure::Lost);
                self.todo.push_back(Command::NodeAnswers { op, result });
            }
            (Effect::LookAt { node }, Some(part)) => {
                let commands = part.look_at(&node);
                self.hear(commands);
            }
            (Effect::TellNode { node, request }, Some(part)) => part.tell(node, request),
            (Effect::AnswerNode { ask, result }, Some(part)) => part.answer(ask, result),
            (Effect::Publish(change), Some(part)) => part.publish(*change),
            (Effect::PublishHint(hint), Some(part)) => part.hint(hint),
            (Effect::OpenNearEnd { op, pipe }, _) => self.open_near_end(op, &pipe),
            (Effect::OpenFarEnd { op, pipe }, _) => self.open_far_end(op, *pipe),
            _ => {}
        }
    }
}

/// What happens to a room's part; never anything to a room that is whole.
pub(super) async fn next(part: &mut Option<Box<Part>>) -> PartEvent {
    match part {
        Some(part) => part.next().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use plenum_room::SessionId;

    use super::*;

    fn goodbye(session: u64) -> Input {
        let session = SessionId(session);
        Input::Command(Command::PeerDisconnected { session })
    }

    #[test]
    fn who_says_something_when_the_time_for_waiting_is_over_comes_after_those_who_wait() {
        let mut waiting = Waiting::default();
        assert!(waiting.pass(goodbye(1), false).is_none());
        assert!(waiting.pass(goodbye(2), true).is_none(), "1 was first");
        assert!(waiting.pass(Input::Shutdown, true).is_some());
        let sessions = waiting.take().into_iter().map(|input| match input {
            Input::Command(Command::PeerDisconnected { session }) => session.0,
            other => panic!("{other:?}"),
        });
        assert_eq!(sessions.collect::<Vec<_>>(), [1, 2]);
        assert!(waiting.pass(goodbye(3), true).is_some());
    }
}
