//! Typed settings and their layering: defaults, file, environment, flags.
