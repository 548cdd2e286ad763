//! Entry points of the fuzz targets, which ordinary tests call as well.

/// A text of a server, in each dialect.
pub fn fuzz_frames(data: &[u8]) {
    crate::signalling::fuzz_frames(data);
}
