//! Bandwidth estimation towards one receiver, probing, and division of the bandwidth among consumers.
//!
//! [`BandwidthEstimator`] has no socket and no clock: time is an argument. Its owner
//!
//! * names every packet that leaves to [`handle_sent`](BandwidthEstimator::handle_sent) and every feedback to one of
//!   [`handle_feedback`](BandwidthEstimator::handle_feedback), [`handle_remb`](BandwidthEstimator::handle_remb) and
//!   [`handle_report`](BandwidthEstimator::handle_report);
//! * tells what would be sent if there were room by [`set_demand`](BandwidthEstimator::set_demand), whenever that
//!   changed;
//! * calls [`handle_timeout`](BandwidthEstimator::handle_timeout) when [`poll_timeout`](BandwidthEstimator::poll_timeout)
//!   is reached;
//! * after any of these but `handle_sent` asks [`poll_probe`](BandwidthEstimator::poll_probe) for a probe to send, and
//!   [`estimate`](BandwidthEstimator::estimate) for what [`allocate`] may divide.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod allocation;
mod bitrate;
mod busy_run;
mod config;
mod delay;
mod estimator;
#[doc(hidden)]
pub mod fuzzing;
mod loss;
mod probe;
mod probing;
mod rate_control;
mod rate_window;
mod reports;
mod sent_history;
mod standing_queue;
mod trendline;

pub use allocation::{Request, allocate};
pub use bitrate::Bitrate;
pub use config::{ArrivalTime, Demand, EstimatorConfig, EstimatorState, Usage};
pub use estimator::BandwidthEstimator;
pub use probe::{Probe, ProbeId};
