//! Counting instructions: how many each hot function takes, compared with a committed table.
//!
//! Time on a shared machine is noise; the number of instructions is not. Every operation runs under callgrind in a
//! process of its own. Only [`measured`] is counted, so that set-up costs nothing but patience.
//!
//! Guarded are the instructions of Rust code, and how often it calls C: copying and allocating memory, and
//! cryptography. The instructions inside C are printed only. Both C libraries choose their code by what the processor
//! can do, so that their count says more about the machine than about this repository.

mod call;
pub mod callgrind;
pub mod operations;
pub mod table;

/// Part of the symbol by which callgrind finds [`measured`].
pub const MEASURED: &str = "measured_from_here";

/// Runs an operation `count` times, the first time with `first`.
pub fn measured(first: usize, count: usize, operation: &mut dyn FnMut(usize)) {
    measured_from_here(first, count, operation);
}

#[inline(never)]
fn measured_from_here(first: usize, count: usize, operation: &mut dyn FnMut(usize)) {
    for index in first..first + count {
        operation(index);
    }
}
