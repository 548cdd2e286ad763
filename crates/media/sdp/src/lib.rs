//! Session descriptions of WHIP and WHEP, to RTP parameters and back.
#![forbid(unsafe_code)]
