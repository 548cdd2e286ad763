//! RTP and RTCP views and builders, header extensions, sequence and timestamp arithmetic.
