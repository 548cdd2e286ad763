//! A decoder as far as references go: which frames it has, and whether the next one can be shown.

use std::collections::BTreeSet;

use super::{Violation, packet::Packet};
use crate::media::svc::FrameLabel;

/// Frames that are remembered: more than any reference reaches back.
const REMEMBERED: usize = 1024;

/// Frames that could be decoded.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    decoded: BTreeSet<u32>,
    /// Whose frames they are: there is nothing left of another sender's.
    source: Option<u16>,
    active: Option<u32>,
}

impl Decoder {
    /// Takes the frames of a picture, in the order of their packets.
    pub(super) fn decode(
        &mut self,
        frames: &[(Packet, FrameLabel)],
        report: &mut impl FnMut(Violation),
    ) {
        for (packet, label) in frames {
            // A key frame replaces everything that could be referred to.
            let is_refresh = label.references.is_empty() && label.spatial == 0;
            if self.source.replace(label.source) != Some(label.source) || is_refresh {
                self.decoded.clear();
            }
            let missing = label
                .references
                .iter()
                .find(|id| !self.decoded.contains(id));
            if let Some(&missing) = missing {
                report(Violation::Reference {
                    source: label.source,
                    frame: label.id,
                    missing,
                });
            } else {
                self.decoded.insert(label.id);
            }
            if self.decoded.len() > REMEMBERED {
                self.decoded.pop_first();
            }
            self.check_descriptors(packet, label, report);
        }
    }

    /// What packets tell of the frame is what it is.
    fn check_descriptors(
        &mut self,
        packet: &Packet,
        label: &FrameLabel,
        report: &mut impl FnMut(Violation),
    ) {
        let real = (label.spatial, label.temporal);
        let told = (
            packet.spatial.unwrap_or(label.spatial),
            packet.temporal.unwrap_or(label.temporal),
        );
        if told != real {
            report(Violation::Layer {
                frame: label.id,
                told,
                real,
            });
        }
        let Some(described) = &packet.described else {
            return;
        };
        let told: BTreeSet<u32> = described.frame.references().map(u32::from).collect();
        let real = label
            .references
            .iter()
            .map(|reference| label.id - reference);
        if told != real.collect() {
            report(Violation::DescribedReferences { frame: label.id });
        }
        self.active = described.active.or(self.active);
        if self
            .active
            .is_some_and(|active| active & described.frame.targets() == 0)
        {
            report(Violation::ActiveTargets { frame: label.id });
        }
    }
}
