//! Somebody's receiving transport.

use std::time::{Duration, Instant};

use plenum_params::transport::DtlsParameters;
use plenum_rtp::RtpHeader;
use serde_json::{Value, json};
use tokio::time::{interval, timeout};

use crate::{
    bot::media::{Line, stream},
    node::PATIENCE,
};

/// One end of a transport, whose other end is a worker.
pub(super) struct Listener {
    pub(super) line: Line,
}

impl Listener {
    pub(super) async fn open(transport: &Value) -> Self {
        let line = Line::open(transport).await;
        Self { line }
    }

    /// Of which the server is not known yet.
    pub(super) async fn unconnected() -> Self {
        Self::open(&json!({
            "iceParameters": {"usernameFragment": "nobody", "password": "nobody"},
            "iceCandidates": [{"ip": "127.0.0.1", "port": 9}],
        }))
        .await
    }

    pub(super) fn own_dtls(&self) -> DtlsParameters {
        self.line.peer.dtls_parameters()
    }

    pub(super) fn dtls_parameters(&self) -> Value {
        json!(self.own_dtls())
    }

    /// Waits for a packet by these parameters.
    pub(super) async fn hears(&mut self, parameters: &Value) {
        let stream = stream(parameters);
        let ssrc = stream.ssrc;
        self.line.peer.add_receiver(stream);
        let hearing = async { while !self.received().await.contains(&ssrc) {} };
        timeout(PATIENCE, hearing).await.expect("sound in time");
    }

    /// The longest time without a packet, of so many that it takes to see what a few seconds are like.
    pub(super) async fn longest_gap(mut self) -> Duration {
        const PACKETS: usize = 400;
        let (mut longest, mut last) = (Duration::ZERO, Instant::now());
        let hearing = async {
            let mut count = 0;
            while count < PACKETS {
                let received = self.received().await.len();
                if received > 0 {
                    longest = longest.max(last.elapsed());
                    last = Instant::now();
                    count += received;
                }
            }
        };
        timeout(PATIENCE, hearing).await.expect("sound to the end");
        longest
    }

    /// The streams of what has come just now.
    async fn received(&mut self) -> Vec<u32> {
        let mut tick = interval(Duration::from_millis(20));
        tick.tick().await;
        tokio::select! {
            _ = self.line.socket.readable() => {}
            _ = tick.tick() => {}
        }
        self.line.take_datagrams();
        let mut streams = Vec::new();
        while let Some(packet) = self.line.peer.poll_received() {
            streams.push(RtpHeader::parse(&packet).expect("whole").ssrc);
        }
        self.line.flush();
        streams
    }
}
