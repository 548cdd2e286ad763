//! Bytes that mean nothing, from where a peer should be.

use std::cell::RefCell;

use super::{
    Call, RECEIVER, SENDER, client_hello, impossible_client_hello,
    stun::{datagram, runner},
};

#[test]
fn garbage_from_a_peers_own_address_never_disturbs_its_call() {
    let mut call = Call::new();
    call.world.arrived = Some(Vec::new());
    call.world.peers[RECEIVER].send_pli(5000);
    call.talk(200);
    let arrived = call.world.arrived.take().expect("recorded");
    let mut known: Vec<_> = arrived.into_iter().map(|(_, bytes)| bytes).collect();
    known.extend([
        client_hello(&call.world),
        impossible_client_hello(&call.world),
    ]);
    // Records of all types and epochs, the first ones with a body that could be meant.
    for content_type in 20..=24 {
        for epoch in 0..3 {
            for body in [vec![1], vec![2, 40], vec![1, 0], vec![20; 40]] {
                let mut record = vec![content_type, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 1, 0, 0];
                record.push(body.len() as u8);
                record.extend(body);
                known.push(record);
            }
        }
    }
    call.received();
    let call = RefCell::new(call);
    let batch = proptest::collection::vec(datagram(known), 1..16);
    let checked = runner(1500).run(&batch, |datagrams| {
        let mut call = call.borrow_mut();
        let addresses = [SENDER, RECEIVER].map(|peer| call.world.peers[peer].address);
        let datagrams = datagrams.into_iter().enumerate();
        let mut datagrams: Vec<_> = datagrams
            .map(|(number, datagram)| (addresses[number % 2], datagram))
            .collect();
        call.world.deliver(&mut datagrams);
        call.talk(1);
        let sent = usize::from(call.sent);
        proptest::prop_assert_eq!(call.received().len(), sent);
        proptest::prop_assert_eq!(&call.world.elsewhere, &[]);
        Ok(())
    });
    assert_eq!(checked, Ok(()));
    call.into_inner().assert_unharmed();
}
