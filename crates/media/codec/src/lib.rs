//! Payload descriptors of VP8, VP9, H.264, H.265, AV1 and Opus: key frames, layers, rewriting.
