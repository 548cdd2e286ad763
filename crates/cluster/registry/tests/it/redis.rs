//! What only Redis can do.

mod keys;
mod loss;
mod rights;
mod sentinels;
