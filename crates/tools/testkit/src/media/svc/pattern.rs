//! Temporal layers: which layer each picture belongs to, and which earlier pictures it refers to.

/// One picture of a pattern that repeats. A temporal layer has one buffer: its last picture that updated it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Temporal layer.
    pub(super) temporal: u8,
    /// Temporal layers whose buffers the picture refers to.
    pub(super) references: &'static [u8],
    /// Whether the picture becomes the buffer of its layer.
    pub(super) updates: bool,
}

const fn step(temporal: u8, references: &'static [u8], updates: bool) -> Step {
    Step {
        temporal,
        references,
        updates,
    }
}

const ONE: [Step; 1] = [step(0, &[0], true)];

/// What libwebrtc's scalability structures for AV1 and VP9 do: upper pictures refer to the nearest one below.
const SHORT_TWO: [Step; 2] = [step(0, &[0], true), step(1, &[0], true)];
const SHORT_THREE: [Step; 4] = [
    step(0, &[0], true),
    step(2, &[0], true),
    step(1, &[0], true),
    step(2, &[1], true),
];

/// Like libwebrtc's patterns for VP8: in the second half, upper layers refer to themselves too, so that nobody can join
/// them there.
const LONG_TWO: [Step; 4] = [
    step(0, &[0], true),
    step(1, &[0], true),
    step(0, &[0], true),
    step(1, &[0, 1], false),
];
const LONG_THREE: [Step; 8] = [
    step(0, &[0], true),
    step(2, &[0], true),
    step(1, &[0], true),
    step(2, &[0, 1, 2], false),
    step(0, &[0], true),
    step(2, &[0, 1, 2], true),
    step(1, &[0, 1], true),
    step(2, &[0, 1, 2], false),
];

/// The pattern of a stream with 1–3 temporal layers.
pub(super) const fn pattern(temporal_layers: u8, is_long: bool) -> &'static [Step] {
    match (temporal_layers, is_long) {
        (0 | 1, _) => &ONE,
        (2, false) => &SHORT_TWO,
        (2, true) => &LONG_TWO,
        (_, false) => &SHORT_THREE,
        (_, true) => &LONG_THREE,
    }
}

/// How many pictures back the references of each picture are once the pattern repeats.
pub(super) fn picture_diffs(pattern: &[Step]) -> Vec<Vec<u32>> {
    let mut buffers = [None; 3];
    let mut diffs = Vec::new();
    for (number, step) in (0u32..).zip(pattern.iter().chain(pattern)) {
        let mut own: Vec<u32> = step
            .references
            .iter()
            .filter_map(|&layer| buffers[usize::from(layer)])
            .map(|referred: u32| number - referred)
            .collect();
        own.sort_unstable();
        diffs.push(own);
        if step.updates {
            buffers[usize::from(step.temporal)] = Some(number);
        }
    }
    diffs.split_off(pattern.len())
}

/// Whether no later picture of a layer above refers to anything of such a layer before the picture `index` (the U bit of
/// RFC 9628 §4.2).
pub(super) fn is_switching_up_point(pattern: &[Step], index: usize) -> bool {
    let diffs = picture_diffs(pattern);
    let temporal = |number: usize| pattern[number % pattern.len()].temporal;
    // References do not reach further back than one turn of the pattern.
    let start = index + pattern.len();
    let later = start + 1..start + 1 + pattern.len();
    let mut above = later.filter(|number| temporal(*number) > pattern[index].temporal);
    above.all(|number| {
        let references = diffs[number % pattern.len()].iter();
        let mut referred = references.map(|diff| number - *diff as usize);
        referred.all(|referred| referred >= start || temporal(referred) <= pattern[index].temporal)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_tell_where_layers_can_be_joined() {
        let points = |temporal_layers, is_long| {
            let pattern = pattern(temporal_layers, is_long);
            (0..pattern.len())
                .map(|index| is_switching_up_point(pattern, index))
                .collect::<Vec<_>>()
        };
        assert_eq!(points(1, false), [true]);
        assert_eq!(points(3, false), [true; 4]);
        assert_eq!(points(2, true), [true, true, false, true]);
        let long = [true, true, false, true, false, true, false, true];
        assert_eq!(points(3, true), long);
        assert_eq!(picture_diffs(pattern(3, false)), [[4], [1], [2], [1]]);
        assert_eq!(picture_diffs(pattern(3, true))[3], [1, 2, 3]);
    }
}
