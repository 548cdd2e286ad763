//! What the cipher alone takes, as either kind of peer calls it.

use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use plenum_srtp::{InboundStream, KeyingMaterial, Opener, Sealer, SrtpProfile};
use str0m::crypto::{self, AeadAes128GcmCipher};

use super::{Frame, HEADER, PACKETS, stage::timed};

const TAG: usize = 16;

/// Bytes of a key and of a salt, which here are all the same.
const KEY: u8 = 7;

/// Processor time of packets sealed and opened.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "two plain figures")]
pub struct Work {
    /// Of sealing.
    pub seal: Duration,
    /// Of opening.
    pub open: Duration,
}

/// Seals and opens packets with both.
pub struct Aead {
    sealer: Sealer,
    opener: Opener,
    inbound: InboundStream,
    ciphers: [Box<dyn AeadAes128GcmCipher>; 2],
    frames: u64,
}

impl Aead {
    /// With keys of its own.
    pub fn new() -> Result<Self> {
        let profile = SrtpProfile::AeadAes128Gcm;
        let material = KeyingMaterial::new(profile, &[KEY; 16], &[KEY; 12])?;
        let provider = crypto::from_feature_flags().srtp_provider;
        let cipher = |seals| provider.aead_aes_128_gcm().create_cipher([KEY; 16], seals);
        Ok(Self {
            sealer: Sealer::new(profile, &material)?,
            opener: Opener::new(profile, &material)?,
            inbound: InboundStream::new(),
            ciphers: [cipher(true), cipher(false)],
            frames: 0,
        })
    }

    /// A frame sealed and opened again, by our crate and by str0m's provider; the clock is asked once for each figure.
    pub fn play(&mut self) -> Result<[Work; 2]> {
        let frame = Frame::new(self.frames);
        let work = [self.play_own(&frame)?, self.play_str0m(&frame)?];
        self.frames += 1;
        Ok(work)
    }

    /// Where the packet lies.
    fn play_own(&mut self, frame: &Frame) -> Result<Work> {
        let mut packets = frame.packets.clone();
        for packet in &mut packets {
            packet.resize(packet.len() + TAG, 0);
        }
        let first = frame.number * PACKETS as u64;
        let mut result = Ok(());
        let seal = timed(|| {
            for (index, packet) in (first..).zip(&mut packets) {
                let plain = packet.len() - TAG;
                let sealed = self.sealer.seal_rtp(index, packet, HEADER, plain);
                if let Err(error) = sealed {
                    result = Err(error);
                }
            }
        });
        let open = timed(|| {
            for packet in &mut packets {
                let opened = self.opener.open_rtp(&mut self.inbound, packet, HEADER);
                if let Err(error) = opened {
                    result = Err(error);
                }
            }
        });
        result?;
        for (opened, plain) in packets.iter().zip(&frame.packets) {
            ensure!(opened.starts_with(plain), "decrypted to something else");
        }
        Ok(Work { seal, open })
    }

    /// From one piece of memory into another.
    fn play_str0m(&mut self, frame: &Frame) -> Result<Work> {
        let mut sealed: Vec<_> = frame
            .packets
            .iter()
            .map(|it| vec![0; it.len() + TAG])
            .collect();
        let mut opened = sealed.clone();
        let [encrypting, decrypting] = &mut self.ciphers;
        let nonce = |index: usize| {
            let mut nonce = [0; 12];
            nonce[4..]
                .copy_from_slice(&(frame.number * PACKETS as u64 + index as u64).to_be_bytes());
            nonce
        };
        let mut result = Ok(());
        let seal = timed(|| {
            for (index, (from, to)) in frame.packets.iter().zip(&mut sealed).enumerate() {
                let (header, payload) = from.split_at(HEADER);
                let done = encrypting.encrypt(&nonce(index), header, payload, &mut to[HEADER..]);
                to[..HEADER].copy_from_slice(header);
                if let Err(error) = done {
                    result = Err(error);
                }
            }
        });
        let open = timed(|| {
            for (index, (from, to)) in sealed.iter().zip(&mut opened).enumerate() {
                let (header, payload) = from.split_at(HEADER);
                let done = decrypting.decrypt(&nonce(index), &[header], payload, &mut to[HEADER..]);
                if let Err(error) = done {
                    result = Err(error);
                }
            }
        });
        result.map_err(|error| anyhow!("{error}"))?;
        for (opened, plain) in opened.iter().zip(&frame.packets) {
            let payload = &plain[HEADER..];
            ensure!(
                opened[HEADER..].starts_with(payload),
                "decrypted to something else"
            );
        }
        Ok(Work { seal, open })
    }
}
