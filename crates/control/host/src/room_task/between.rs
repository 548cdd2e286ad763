//! A room's task and its part of a room that may have others elsewhere.

use std::time::Instant;

use plenum_room::{Command, Effect, Home, NodeFailure};

use super::{
    Input, RoomTask,
    part::{Part, PartEvent},
};

impl RoomTask {
    /// An input, or later if it is a client's and it is not yet known who else is in the room.
    pub(super) fn take(&mut self, input: Input) {
        let is_of_client = matches!(
            input,
            Input::Connect { .. }
                | Input::Command(
                    Command::ClientAnswer { .. }
                        | Command::PeerDisconnected { .. }
                        | Command::Request { .. }
                )
        );
        if is_of_client && self.is_unsettled() {
            self.waiting.push_back(input);
        } else {
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
            for input in std::mem::take(&mut self.waiting) {
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
