//! SRTP and SRTCP protection in place, with replay windows.
