//! Synthetic media: RTP senders whose packets look like those of a browser, and a receiver that checks what became of
//! them.

mod assembler;
mod body;
mod checker;
mod opus;
mod payload;
mod source;
mod svc;
mod video;

pub use assembler::{Frame, FrameAssembler, FrameError, FrameStats};
pub use body::{BodyError, check_body, frame_body};
pub use checker::{Picture, PictureChecker, Violation};
pub use opus::OpusSource;
pub use source::{ExtensionIds, PacketFields, RtpSource, RtpSourceConfig, Stamper};
pub use svc::{DamagedLabel, FrameLabel, SvcConfig, SvcMode, SvcSource, UnknownMode};
pub use video::{VideoFormat, VideoSource};

#[cfg(test)]
mod tests;
