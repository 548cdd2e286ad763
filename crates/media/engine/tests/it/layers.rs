//! Layers for one receiver: every codec and mode through the engine, judged by a receiver that notices whatever a decoder
//! or a jitter buffer would mind.

mod changes;
pub(crate) mod networks;
mod restless;
pub(crate) mod stage;
mod walks;
