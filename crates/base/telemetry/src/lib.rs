//! Log subscriber set-up and metric names.
