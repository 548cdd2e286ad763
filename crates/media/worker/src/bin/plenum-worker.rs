//! A worker as a program of its own, for tests and measurements. In service it is `plenum worker`.

use plenum_worker::{WorkerError, run, standard_input};

fn main() -> Result<(), WorkerError> {
    run(standard_input()?).map(drop)
}
