//! Connecting peers over sockets.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use plenum_testkit::peer::TestPeer;
use plenum_udp::{Message, RecvBatch, Sender, UdpSocket};

/// Far more than a few dozen handshakes take.
const LIMIT: Duration = Duration::from_secs(20);

/// Between two looks at all sockets.
const PAUSE: Duration = Duration::from_micros(500);

/// Until all are connected; the socket of a peer is that of its index.
pub(super) fn run(peers: &mut [TestPeer], sockets: &[UdpSocket]) -> Result<()> {
    let (mut batch, mut sender) = (RecvBatch::new(), Sender::new());
    let deadline = Instant::now() + LIMIT;
    loop {
        let now = Instant::now();
        let mut waiting = 0;
        for (peer, socket) in peers.iter_mut().zip(sockets) {
            if socket.recv(&mut batch)? > 0 {
                for datagram in batch.datagrams_mut() {
                    peer.handle_datagram(now, datagram.data);
                }
            }
            if peer.poll_timeout().is_some_and(|due| due <= now) {
                peer.handle_timeout(now);
            }
            flush(peer, socket, &mut sender);
            waiting += usize::from(!peer.is_connected());
        }
        if waiting == 0 {
            return Ok(());
        }
        ensure!(now < deadline, "{waiting} peers could not connect");
        std::thread::sleep(PAUSE);
    }
}

fn flush(peer: &mut TestPeer, socket: &UdpSocket, sender: &mut Sender) {
    while let Some(datagram) = peer.poll_transmit() {
        let message = Message {
            to: peer.remote,
            data: &datagram,
            segment_size: datagram.len() as u16,
        };
        // What is lost is repeated.
        let _ = sender.send(socket, std::iter::once(message));
    }
}
