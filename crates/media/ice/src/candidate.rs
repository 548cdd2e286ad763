//! Priority and foundation of our host candidates.
//!
//! RFC 8445 §5.1.2.1 with a type preference below the usual 126 of host candidates, as mediasoup has it, so that
//! clients rank our candidates as they rank those of a mediasoup server.

/// Type preference of our candidates.
const TYPE_PREFERENCE: u32 = 64;
/// Component 1, RTP with RTCP multiplexed.
const COMPONENT: u32 = 1;
/// Local preference of the first listen entry.
const FIRST_LOCAL_PREFERENCE: u16 = 10_000;
/// Distance between two listen entries.
const LOCAL_PREFERENCE_STEP: u16 = 100;
/// What `preferUdp` or `preferTcp` adds.
const PREFERRED_PROTOCOL_BONUS: u16 = 1_000;
/// How much lower an internal address ranks that is exposed beside its announced one.
const EXPOSED_INTERNAL_PENALTY: u16 = 1_000;

/// Foundation of UDP candidates.
pub const UDP_FOUNDATION: &str = "udpcandidate";
/// Foundation of TCP candidates.
pub const TCP_FOUNDATION: &str = "tcpcandidate";

/// Local preference of the `index`-th listen entry, counted from 0 with skipped ones.
pub const fn local_preference(index: u16, preferred_protocol: bool) -> u16 {
    let preference =
        FIRST_LOCAL_PREFERENCE.saturating_sub(index.saturating_mul(LOCAL_PREFERENCE_STEP));
    if preferred_protocol {
        preference + PREFERRED_PROTOCOL_BONUS
    } else {
        preference
    }
}

/// Local preference of the internal address of an entry that also has an announced one.
pub const fn internal_local_preference(local_preference: u16) -> u16 {
    local_preference.saturating_sub(EXPOSED_INTERNAL_PENALTY)
}

/// Priority of a host candidate.
pub const fn host_priority(local_preference: u16) -> u32 {
    (TYPE_PREFERENCE << 24) + ((local_preference as u32) << 8) + (256 - COMPONENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_udp_and_second_tcp_rank_as_clients_know_them() {
        assert_eq!(host_priority(local_preference(0, false)), 1_076_302_079);
        assert_eq!(host_priority(local_preference(1, false)), 1_076_276_479);
    }

    #[test]
    fn preferred_protocol_outranks_every_entry_of_the_other() {
        assert!(local_preference(9, true) > local_preference(0, false));
        assert_eq!(local_preference(u16::MAX, false), 0);
        assert_eq!(internal_local_preference(10_000), 9_000);
    }
}
