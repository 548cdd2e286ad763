//! How well a receiver behind a narrow link is served: a simulcast sender, an engine, one receiver, and figures of what
//! became of it. Everything is under the virtual clock and seeded, so that a run is the same every time.
//!
//! * [`Path`] says what the link is like, [`paths`] are those that the project is judged by;
//! * [`run`] sends a camera through it;
//! * [`Run`] is what was seen on the way, and [`Figures`] what is made of it.

mod camera;
mod figures;
mod path;
mod run;

pub use camera::Ladder;
pub use figures::Figures;
pub use path::{Path, paths};
pub use run::{Run, Sample, run};
