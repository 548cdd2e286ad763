//! DTLS endpoints against OpenSSL, on bad paths and under attack.

mod attacks;
mod certificates;
mod interop;
mod loss;
mod openssl_peer;
mod ours;
mod timers;
