//! The engine and its peers, by the names that these tests use.

pub(crate) use plenum_harness::{
    ROUTER, STEP, Vp8Packet, World, address,
    parameters::{encoding, simulcast, vp8, vp8_receiver},
    transport,
};
