//! What the curves and tables of `bench-bwe` look like.

mod page;
mod plot;

pub use page::{page, terminal_row, terminal_title};
pub use plot::plot;
