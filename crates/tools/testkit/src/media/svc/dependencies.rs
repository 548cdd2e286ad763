//! Dependency descriptors of an encoder's frames (RTP Payload Format For AV1 v1.0.0, appendix A).

use plenum_params::media::SpatialDependency;

use super::{
    encoder::{Encoder, PlannedFrame},
    indications::Indications,
    mode::SvcMode,
};

/// What templates and frames tell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Dependencies {
    spatial: u8,
    temporal: u8,
    indications: Vec<u8>,
    references: Vec<u32>,
    chains: Vec<u32>,
}

/// Writes the descriptors of one stream. There is a decode target for each layer, in the order S0T0, S0T1 …, and a chain
/// for each spatial layer.
#[derive(Clone, Debug)]
pub(super) struct DescriptorWriter {
    mode: SvcMode,
    first_frame_number: u16,
    template_offset: u8,
    indications: Indications,
    templates: Vec<Dependencies>,
    chains: Chains,
    /// Spatial layers that receivers were told of.
    announced: u8,
    current: Option<Dependencies>,
}

/// The last frame of each chain.
#[derive(Clone, Debug, Default)]
struct Chains([Option<u32>; 3]);

impl Chains {
    /// How far back the chains are, before the frame becomes part of them itself.
    fn next(&mut self, mode: SvcMode, frame: &PlannedFrame) -> Vec<u32> {
        if frame.is_key && frame.spatial == 0 {
            self.0 = [None; 3];
        }
        let mut diffs = Vec::new();
        for chain in 0..mode.spatial {
            let last = &mut self.0[usize::from(chain)];
            diffs.push(last.map_or(0, |last| frame.id - last));
            let is_needed = match mode.dependency {
                SpatialDependency::Always => frame.spatial <= chain,
                SpatialDependency::AtKeyPictures => {
                    frame.spatial == chain
                        || (frame.spatial < chain && frame.picture_diffs.is_empty())
                }
                SpatialDependency::Never => frame.spatial == chain,
            };
            if frame.temporal == 0 && is_needed {
                *last = Some(frame.id);
            }
        }
        diffs
    }
}

impl DescriptorWriter {
    pub(super) fn new(mode: SvcMode, is_long: bool, first_frame_number: u16) -> Self {
        let indications = Indications::new(mode, is_long);
        let mut chains = Chains::default();
        let mut encoder = Encoder::new(mode, is_long);
        let mut templates = Vec::new();
        // After two turns of the pattern every kind of frame has been there.
        for picture in 0..=2 * encoder.pattern().len() {
            for frame in encoder.picture(picture == 0) {
                templates.push(dependencies(mode, &indications, &mut chains, &frame));
            }
        }
        // Templates have four bits for each difference.
        templates.retain(|template| {
            template.references.iter().all(|diff| *diff <= 16)
                && template.chains.iter().all(|diff| *diff < 16)
        });
        templates.sort_unstable();
        templates.dedup();
        Self {
            mode,
            first_frame_number,
            template_offset: 0,
            indications,
            templates,
            chains: Chains::default(),
            announced: mode.spatial,
            current: None,
        }
    }

    /// Goes on to the next frame: the value of its first packet, with `active` spatial layers being made.
    pub(super) fn begin(&mut self, frame: &PlannedFrame, active: u8, is_last: bool) -> Vec<u8> {
        let has_structure = frame.is_key;
        if has_structure && frame.spatial == 0 && frame.id > 0 {
            // A structure that differs from the one before has other ids (appendix A.8.2).
            self.template_offset = (self.template_offset + self.templates.len() as u8) % 64;
        }
        let tells_active =
            active != self.announced || (has_structure && active < self.mode.spatial);
        if tells_active && frame.ends_picture {
            self.announced = active;
        }
        self.current = Some(dependencies(
            self.mode,
            &self.indications,
            &mut self.chains,
            frame,
        ));
        let active = tells_active.then_some(active);
        self.write(frame, (true, is_last), has_structure, active)
    }

    /// The value of a later packet of the same frame.
    pub(super) fn resume(&self, frame: &PlannedFrame, is_last: bool) -> Vec<u8> {
        self.write(frame, (false, is_last), false, None)
    }

    fn write(
        &self,
        frame: &PlannedFrame,
        (is_first, is_last): (bool, bool),
        has_structure: bool,
        active: Option<u8>,
    ) -> Vec<u8> {
        let Some(current) = &self.current else {
            return Vec::new();
        };
        let template = self.nearest_template(current);
        let known = &self.templates[template];
        let custom = [
            current.indications != known.indications,
            current.references != known.references,
            current.chains != known.chains,
        ];
        let mut bits = Bits::default();
        bits.put(is_first.into(), 1);
        bits.put(is_last.into(), 1);
        bits.put((u32::from(self.template_offset) + template as u32) % 64, 6);
        bits.put(
            u32::from(self.first_frame_number.wrapping_add(frame.id as u16)),
            16,
        );
        if !has_structure && active.is_none() && custom == [false; 3] {
            return bits.finish();
        }
        bits.put(has_structure.into(), 1);
        bits.put(active.is_some().into(), 1);
        for flag in custom {
            bits.put(flag.into(), 1);
        }
        if has_structure {
            self.write_structure(&mut bits);
        }
        if let Some(active) = active {
            let targets = self.mode.spatial * self.mode.temporal;
            let mask = (1u32 << (active * self.mode.temporal)) - 1;
            bits.put(mask, targets.into());
        }
        current.write_custom(&mut bits, custom);
        bits.finish()
    }

    /// The template with the same layer that agrees in most.
    fn nearest_template(&self, current: &Dependencies) -> usize {
        let agreement = |template: &Dependencies| {
            u8::from(template.indications == current.indications)
                + u8::from(template.references == current.references)
                + u8::from(template.chains == current.chains)
        };
        let same_layer = self.templates.iter().enumerate().filter(|(_, template)| {
            (template.spatial, template.temporal) == (current.spatial, current.temporal)
        });
        let nearest = same_layer.max_by_key(|(_, template)| agreement(template));
        nearest.map_or(0, |(index, _)| index)
    }

    /// `template_dependency_structure()`.
    fn write_structure(&self, bits: &mut Bits) {
        let targets = u32::from(self.mode.spatial * self.mode.temporal);
        bits.put(self.template_offset.into(), 6);
        bits.put(targets - 1, 5);
        for pair in self.templates.windows(2) {
            let step = match &pair[1] {
                next if next.spatial > pair[0].spatial => 2,
                next if next.temporal > pair[0].temporal => 1,
                _ => 0,
            };
            bits.put(step, 2);
        }
        bits.put(3, 2);
        for template in &self.templates {
            for indication in &template.indications {
                bits.put((*indication).into(), 2);
            }
        }
        for template in &self.templates {
            for reference in &template.references {
                bits.put(1, 1);
                bits.put(reference - 1, 4);
            }
            bits.put(0, 1);
        }
        let chains = u32::from(self.mode.spatial);
        bits.put_non_symmetric(chains, targets + 1);
        for target in 0..targets {
            bits.put_non_symmetric(target / u32::from(self.mode.temporal), chains);
        }
        for template in &self.templates {
            for chain in &template.chains {
                bits.put(*chain, 4);
            }
        }
        bits.put(1, 1);
        for spatial in 0..self.mode.spatial {
            let shift = self.mode.spatial - 1 - spatial;
            bits.put((1280 >> shift) - 1, 16);
            bits.put((720 >> shift) - 1, 16);
        }
    }
}

impl Dependencies {
    fn write_custom(&self, bits: &mut Bits, [indications, references, chains]: [bool; 3]) {
        if indications {
            for indication in &self.indications {
                bits.put((*indication).into(), 2);
            }
        }
        if references {
            for reference in &self.references {
                let nibbles = match reference - 1 {
                    0..16 => 1,
                    16..256 => 2,
                    _ => 3,
                };
                bits.put(nibbles, 2);
                bits.put(reference - 1, 4 * nibbles);
            }
            bits.put(0, 2);
        }
        if chains {
            for chain in &self.chains {
                bits.put(*chain, 8);
            }
        }
    }
}

fn dependencies(
    mode: SvcMode,
    indications: &Indications,
    chains: &mut Chains,
    frame: &PlannedFrame,
) -> Dependencies {
    let mut references: Vec<u32> = frame.references.iter().map(|id| frame.id - id).collect();
    references.sort_unstable();
    Dependencies {
        spatial: frame.spatial,
        temporal: frame.temporal,
        indications: indications.of(frame),
        references,
        chains: chains.next(mode, frame),
    }
}

/// Collects bits, most significant first.
#[derive(Debug, Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        let bits = (0..count).rev().map(|bit| value >> bit & 1 == 1);
        self.0.extend(bits);
    }

    /// `ns(n)` of the AV1 specification, §4.10.7.
    fn put_non_symmetric(&mut self, value: u32, limit: u32) {
        let width = u32::BITS - limit.leading_zeros();
        let short = (1 << width) - limit;
        if value < short {
            self.put(value, width - 1);
        } else {
            self.put(value + short, width);
        }
    }

    fn finish(self) -> Vec<u8> {
        let byte = |bits: &[bool]| {
            let bit = |index: usize| u8::from(bits.get(index) == Some(&true));
            (0..8).fold(0, |byte, index| byte << 1 | bit(index))
        };
        self.0.chunks(8).map(byte).collect()
    }
}
