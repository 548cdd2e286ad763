//! Others who send from, or to, the address of a trunk.

use plenum_ice::controlling::BindingRequest;
use plenum_rtp::RtpHeader;
use plenum_srtp::{KeyingMaterial, Sealer, SrtpProfile};
use plenum_testkit::rng::Rng;

use super::*;

/// A call over a trunk that goes on.
struct Call {
    scene: Scene,
    sent: u16,
}

impl Call {
    fn new() -> Self {
        let mut scene = Scene::new();
        let pipe = scene.pipe(1, &vp8(vec![encoding(1000)]));
        scene.near.peers[0].add_sender(SendStream::new(1000, Some((1001, 97))));
        scene.watch(20, pipe.producer, 5000);
        scene.line.carried = Some(Vec::new());
        let mut call = Self { scene, sent: 0 };
        call.goes_on();
        call
    }

    /// Everything that is sent arrives once.
    fn goes_on(&mut self) {
        self.scene.send(1000, self.sent..self.sent + 10);
        self.sent += 10;
        assert_eq!(self.scene.received(), 10);
    }

    /// Gives the far engine datagrams from an address.
    fn attack(&mut self, from: u16, datagrams: Vec<Vec<u8>>) {
        let from = address(from);
        let mut arriving: Vec<_> = datagrams.into_iter().map(|data| (from, data)).collect();
        self.scene.far.deliver(&mut arriving);
    }

    fn discarded(&self) -> u64 {
        let far = &self.scene.far;
        let stats = far.engine.transport_stats(far.now, TRUNK);
        stats.expect("it is there").discarded
    }
}

/// A packet on the trunk, protected with other keys than the trunk's.
fn forged(ssrc: u32, number: u16) -> Vec<u8> {
    let profile = SrtpProfile::AeadAes256Gcm;
    let (key, _) = keys();
    let material = KeyingMaterial::new(profile, key.key(), key.salt()).expect("its lengths");
    let mut sealer = Sealer::new(profile, &material).expect("its profile");
    let mut packet = picture(ssrc, number);
    let header = RtpHeader::parse(&packet).expect("well-formed");
    let plain = packet.len();
    packet.resize(plain + profile.rtp_overhead(), 0);
    let sealed = sealer.seal_rtp(u64::from(number), &mut packet, header.header_len, plain);
    sealed.expect("there is room");
    packet
}

#[test]
fn what_has_other_keys_is_dropped() {
    let mut call = Call::new();
    let before = (call.discarded(), call.scene.far.engine.footprint());
    // The stream's own number, that of its retransmissions, and one that nobody has.
    let forgeries = [1, 2, 3]
        .iter()
        .flat_map(|&ssrc| (0..20).map(move |number| forged(ssrc, number)));
    call.attack(NEAR, forgeries.collect());
    assert_eq!(call.discarded(), before.0 + 60);
    assert_eq!(call.scene.far.engine.footprint().ssrcs, before.1.ssrcs);
    assert_eq!(call.scene.received(), 0);
    call.goes_on();
}

#[test]
fn what_nobody_declared_is_dropped_though_its_key_is_right() {
    let mut call = Call::new();
    // The near end sends what the far one does not await.
    let near = &mut call.scene.near;
    let (_, mut sent) = piped(&vp8(vec![encoding(1)]), &mut TrunkSsrcs::default());
    (sent[0].ssrc, sent[0].rtx_ssrc) = (500, Some(501));
    let id = ConsumerId::from_u128(77);
    let source = (ProducerId::from_u128(1), 0);
    let made = near
        .engine
        .pipe_consume(near.now, TRUNK, id, source, sent.remove(0), false);
    made.expect("the producer is there");
    let before = (call.discarded(), call.scene.far.engine.footprint());
    call.goes_on();
    // It begins with the last picture that is there.
    assert_eq!(call.discarded(), before.0 + 11);
    assert_eq!(call.scene.far.engine.footprint().ssrcs, before.1.ssrcs);
}

#[test]
fn garbage_is_dropped() {
    let mut call = Call::new();
    let mut random = Rng::new(5);
    let before = call.scene.far.engine.footprint();
    let genuine = call.scene.line.carried.clone().unwrap_or_default();
    let mut datagrams = Vec::new();
    for _ in 0..300 {
        let len = random.range(0..1500) as usize;
        let mut bytes: Vec<u8> = (0..len).map(|_| random.next_u64() as u8).collect();
        if let (Some(first), true) = (bytes.first_mut(), random.chance(0.7)) {
            *first = 0x80 | *first & 0x3f;
        }
        datagrams.push(bytes);
        let mut broken = genuine[random.range(0..genuine.len() as u64) as usize].clone();
        let at = random.range(0..broken.len() as u64) as usize;
        broken[at] ^= 1 << random.range(0..8);
        datagrams.push(broken);
    }
    call.attack(NEAR, datagrams);
    // What was true once is not true twice.
    call.attack(NEAR, genuine.clone());
    // And from elsewhere not even once.
    call.attack(NEAR + 7, genuine);
    assert_eq!(call.scene.received(), 0);
    let after = call.scene.far.engine.footprint();
    assert_eq!(
        (after.ssrcs, after.addresses),
        (before.ssrcs, before.addresses)
    );
    call.goes_on();
}

#[test]
fn nobodys_check_takes_the_address_of_a_trunk() {
    let mut call = Call::new();
    let far = &mut call.scene.far;
    // A client of the far worker that writes the trunk's address on its checks, with the right password.
    let info = far.infos[0].ice_parameters.clone();
    let mut buffer = [0; 256];
    for number in 0..5 {
        let request = BindingRequest {
            remote_username_fragment: &info.username_fragment,
            local_username_fragment: "peer",
            transaction_id: [number; 12],
            priority: 1,
            tie_breaker: 1,
            use_candidate: true,
            nomination: None,
        };
        let len = request.write(&info.password, &mut buffer);
        let len = len.expect("there is room");
        let mut arriving = [(address(NEAR), buffer[..len].to_vec())];
        far.deliver(&mut arriving);
    }
    assert!(
        far.elsewhere
            .iter()
            .all(|(_, datagram)| datagram[0] >= 0x80),
        "no answer"
    );
    assert_eq!(far.engine.dump().orphans, 0);
    call.goes_on();
}
