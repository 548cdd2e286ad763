//! Descriptors written by the syntax tables of the specification, and read.

use proptest::prelude::*;

use super::*;

mod rewriting;

/// Collects bits, most significant first.
#[derive(Default)]
struct BitWriter {
    bits: Vec<bool>,
}

impl BitWriter {
    fn put(&mut self, value: u32, count: u32) {
        self.bits
            .extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
    }

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
            (0..8).fold(0, |byte, index| {
                byte << 1 | u8::from(bits.get(index) == Some(&true))
            })
        };
        self.bits.chunks(8).map(byte).collect()
    }
}

/// A stream as the sender knows it.
#[derive(Clone, Debug)]
struct Model {
    offset: u8,
    targets: u8,
    /// Steps from one template to the next: 0 same layer, 1 next temporal, 2 next spatial layer.
    steps: Vec<u8>,
    indications: Vec<u8>,
    references: Vec<Vec<u8>>,
    protected_by: Vec<u8>,
    chains: u8,
    with_resolutions: bool,
}

impl Model {
    fn layers(&self) -> Vec<Layer> {
        let mut layer = Layer::default();
        let mut layers = vec![layer];
        for step in &self.steps {
            match step {
                1 => layer.temporal_id += 1,
                2 => {
                    layer = Layer {
                        spatial_id: layer.spatial_id + 1,
                        temporal_id: 0,
                    }
                }
                _ => {}
            }
            layers.push(layer);
        }
        layers
    }

    fn indication(&self, template: usize, target: u8) -> u8 {
        self.indications[(template * 7 + usize::from(target)) % self.indications.len()]
    }

    fn write(&self, writer: &mut BitWriter) {
        let layers = self.layers();
        writer.put(self.offset.into(), 6);
        writer.put(u32::from(self.targets) - 1, 5);
        for step in &self.steps {
            writer.put((*step).into(), 2);
        }
        writer.put(3, 2);
        for template in 0..layers.len() {
            for target in 0..self.targets {
                writer.put(self.indication(template, target).into(), 2);
            }
        }
        for template in 0..layers.len() {
            for reference in &self.references[template % self.references.len()] {
                writer.put(1, 1);
                writer.put((*reference).into(), 4);
            }
            writer.put(0, 1);
        }
        writer.put_non_symmetric(self.chains.into(), u32::from(self.targets) + 1);
        if self.chains > 0 {
            for target in 0..usize::from(self.targets) {
                writer.put_non_symmetric(self.protecting(target).into(), self.chains.into());
            }
            for template in 0..layers.len() {
                for chain in 0..self.chains {
                    writer.put(chain_diff(template, chain).into(), 4);
                }
            }
        }
        writer.put(self.with_resolutions.into(), 1);
        if self.with_resolutions {
            for spatial_id in 0..=u32::from(layers[layers.len() - 1].spatial_id) {
                writer.put(320 << spatial_id, 16);
                writer.put(180 << spatial_id, 16);
            }
        }
    }

    /// How far back the references of a template are, in rising order.
    fn template_references(&self, template: usize) -> Vec<u16> {
        let mut references: Vec<u16> = self.references[template % self.references.len()]
            .iter()
            .map(|reference| u16::from(*reference) + 1)
            .collect();
        references.sort_unstable();
        references.dedup();
        references
    }

    /// The highest layers that are part of a target.
    fn target_layer(&self, target: u8) -> Layer {
        let layers = self.layers();
        let parts = layers.iter().enumerate();
        let parts = parts.filter(|(template, _)| self.indication(*template, target) != 0);
        parts.fold(Layer::default(), |highest, (_, layer)| Layer {
            spatial_id: highest.spatial_id.max(layer.spatial_id),
            temporal_id: highest.temporal_id.max(layer.temporal_id),
        })
    }

    fn protecting(&self, target: usize) -> u8 {
        self.protected_by[target % self.protected_by.len()] % self.chains
    }
}

/// What templates tell of chains.
const fn chain_diff(template: usize, chain: u8) -> u8 {
    (template as u8).wrapping_mul(5).wrapping_add(chain) % 16
}

fn any_model() -> impl Strategy<Value = Model> {
    let lists = (
        prop::collection::vec(0u8..4, 1..30),
        prop::collection::vec(prop::collection::vec(0u8..16, 0..4), 1..5),
        prop::collection::vec(any::<u8>(), 1..8),
    );
    (
        0u8..64,
        1u8..=32,
        prop::collection::vec(0u8..3, 0..63),
        lists,
        any::<u8>(),
        any::<bool>(),
    )
        .prop_map(
            |(
                offset,
                targets,
                mut steps,
                (indications, references, protected_by),
                chains,
                with_resolutions,
            )| {
                // Layers beyond the limits of the syntax become repetitions of the same layer.
                let mut layer = Layer::default();
                for step in &mut steps {
                    match *step {
                        1 if layer.temporal_id < 7 => layer.temporal_id += 1,
                        2 if layer.spatial_id < 3 => {
                            layer = Layer {
                                spatial_id: layer.spatial_id + 1,
                                temporal_id: 0,
                            }
                        }
                        _ => *step = 0,
                    }
                }
                let chains = chains % (targets + 1);
                Model {
                    offset,
                    targets,
                    steps,
                    indications,
                    references,
                    protected_by,
                    chains,
                    with_resolutions,
                }
            },
        )
}

/// Head of a descriptor with extended fields.
fn head(template_id: u8, flags: u32) -> BitWriter {
    let mut writer = BitWriter::default();
    writer.put(1, 1);
    writer.put(0, 1);
    writer.put(template_id.into(), 6);
    writer.put(0x1234, 16);
    writer.put(flags, 5);
    writer
}

const STRUCTURE: u32 = 0b10000;
const ACTIVE: u32 = 0b01000;
const CUSTOM: u32 = 0b00111;

fn key_frame(model: &Model) -> DependencyDescriptor {
    let mut writer = head(model.offset, STRUCTURE);
    model.write(&mut writer);
    DependencyDescriptor::parse(&writer.finish(), None).expect("our own descriptor")
}

#[test]
fn mandatory_fields_need_no_structure() {
    let descriptor = DependencyDescriptor::parse(&[0xc5, 0x12, 0x34], None).expect("a descriptor");
    let fields = MandatoryFields {
        start_of_frame: true,
        end_of_frame: true,
        template_id: 5,
        frame_number: 0x1234,
    };
    assert_eq!(descriptor.fields, fields);
    assert!(descriptor.frame.is_none() && !descriptor.is_key_frame());
    assert_eq!(
        DependencyDescriptor::parse(&[0xc5, 0x12], None),
        Err(CodecError::TooShort)
    );
}

/// One spatial and three temporal layers, as L1T3 streams have them.
#[test]
fn l1t3_is_read() {
    let model = Model {
        offset: 10,
        targets: 3,
        steps: vec![0, 1, 1],
        indications: vec![3],
        references: vec![vec![]],
        protected_by: vec![0],
        chains: 1,
        with_resolutions: true,
    };
    let descriptor = key_frame(&model);
    assert!(descriptor.is_key_frame());
    assert_eq!(descriptor.active_decode_targets, Some(0b111));
    let structure = descriptor.structure.expect("a structure");
    let temporal_ids: Vec<_> = (10..14)
        .filter_map(|id| structure.layer(id))
        .map(|layer| layer.temporal_id)
        .collect();
    assert_eq!(temporal_ids, [0, 0, 1, 2]);
    assert_eq!(structure.layer(14), None);
    assert_eq!(structure.layer(9), None);
    assert_eq!(
        (structure.resolution(0), structure.resolution(1)),
        (Some((321, 181)), None)
    );
    let inter = DependencyDescriptor::parse(&[0x8d, 0, 1], Some(&structure)).expect("a descriptor");
    assert_eq!(
        inter.frame.map(|frame| frame.layer),
        Some(Layer {
            spatial_id: 0,
            temporal_id: 2
        })
    );
    let unknown = DependencyDescriptor::parse(&[0x8e, 0, 1], Some(&structure));
    assert_eq!(unknown, Err(CodecError::Malformed("unknown template")));
}

#[test]
fn more_layers_or_templates_than_ids_are_malformed() {
    for (step, count) in [(1, 8), (2, 4), (0, 64)] {
        let mut writer = head(0, STRUCTURE);
        writer.put(0, 11);
        for _ in 0..count {
            writer.put(step, 2);
        }
        writer.put(3, 2);
        for _ in 0..400 {
            writer.put(0, 8);
        }
        let result = DependencyDescriptor::parse(&writer.finish(), None);
        assert!(
            matches!(result, Err(CodecError::Malformed(_))),
            "{result:?}"
        );
    }
}

proptest! {
    #[test]
    fn structures_are_read_back(model in any_model()) {
        let layers = model.layers();
        let descriptor = key_frame(&model);
        let structure = descriptor.structure.as_ref().expect("a structure");
        prop_assert_eq!(usize::from(structure.template_count()), layers.len());
        prop_assert_eq!((structure.decode_target_count(), structure.chain_count()), (model.targets, model.chains));
        prop_assert_eq!(descriptor.active_decode_targets.map(u32::count_ones), Some(model.targets.into()));
        for (index, layer) in layers.iter().enumerate() {
            let id = (model.offset + index as u8) & 0x3f;
            prop_assert_eq!(structure.layer(id), Some(*layer));
            let inter = DependencyDescriptor::parse(&[id, 0, 9], Some(structure)).expect("a descriptor");
            let frame = inter.frame.expect("a known template");
            for target in 0..model.targets {
                let indication = model.indication(index, target);
                prop_assert_eq!(frame.indication(target) as u8, indication);
                prop_assert_eq!(frame.targets() >> target & 1 == 1, indication != 0);
                prop_assert_eq!(frame.switch_targets() >> target & 1 == 1, indication == 2);
            }
            prop_assert_eq!(frame.references().collect::<Vec<_>>(), model.template_references(index));
            for chain in 0..model.chains {
                prop_assert_eq!(frame.chain_diff(chain), Some(chain_diff(index, chain)));
            }
        }
        for target in 0..model.targets {
            let layer = model.target_layer(target);
            prop_assert_eq!(structure.decode_target_layer(target), Some(layer));
            let first = (0..model.targets).find(|other| model.target_layer(*other) == layer);
            prop_assert_eq!(structure.decode_target(layer), first);
            prop_assert_eq!(structure.targets_up_to(layer) >> target & 1, 1);
            let expected = (model.chains > 0).then(|| model.protecting(target.into()));
            prop_assert_eq!(structure.protecting_chain(target), expected);
        }
        let highest = layers[layers.len() - 1].spatial_id;
        let resolution = model.with_resolutions.then(|| ((320 << highest) + 1, (180 << highest) + 1));
        prop_assert_eq!(structure.resolution(highest), resolution);
    }

    #[test]
    fn frames_overrule_their_templates(model in any_model(), active: u32, indication in 0u8..4) {
        let descriptor = key_frame(&model);
        let structure = descriptor.structure.expect("a structure");
        let mut writer = head(model.offset, ACTIVE | CUSTOM);
        let active = active & u32::MAX >> (32 - u32::from(model.targets));
        writer.put(active, model.targets.into());
        for _ in 0..model.targets {
            writer.put(indication.into(), 2);
        }
        for nibbles in 1..4 {
            writer.put(nibbles, 2);
            writer.put(7, 4 * nibbles);
        }
        writer.put(0, 2);
        for chain in 0..model.chains {
            writer.put(200 + u32::from(chain), 8);
        }
        let value = writer.finish();
        let read = DependencyDescriptor::parse(&value, Some(&structure)).expect("our own descriptor");
        prop_assert_eq!(read.active_decode_targets, Some(active));
        let frame = read.frame.expect("a known structure");
        prop_assert!((0..model.targets).all(|target| frame.indication(target) as u8 == indication));
        prop_assert_eq!(frame.references().collect::<Vec<_>>(), [8, 8, 8]);
        prop_assert!((0..model.chains).all(|chain| frame.chain_diff(chain) == Some(200 + chain)));
        // Without the structure the bits behind the flags mean nothing.
        let read = DependencyDescriptor::parse(&value, None).expect("our own descriptor");
        prop_assert_eq!((read.active_decode_targets, read.frame), (None, None));
        prop_assert_eq!(DependencyDescriptor::parse(&value[..4], Some(&structure)), Err(CodecError::TooShort));
    }
}
