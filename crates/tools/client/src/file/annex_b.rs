//! H.264 as a byte stream (H.264 annex B): units with start codes between them.

/// The units of a byte stream, without start codes and the zeroes around them.
pub fn units(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = start(bytes).map(|(_, after)| after);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let (unit, next) = match start(bytes) {
            Some((end, after)) => (bytes.get(..end).unwrap_or_default(), Some(after)),
            None => (bytes, None),
        };
        rest = next;
        let len = unit
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        unit.get(..len)
    })
    .filter(|unit| !unit.is_empty())
}

/// Where the next start code is, and what follows it.
fn start(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let at = bytes.windows(3).position(|code| code == [0, 0, 1])?;
    Some((at, bytes.get(at + 3..)?))
}

/// The access units of a byte stream: pictures with the parameter sets in front of them. One slice to a picture is taken for
/// granted where a slice begins with the picture's first macroblock.
pub fn access_units(bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut pictures: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut picture: Vec<Vec<u8>> = Vec::new();
    let mut has_slice = false;
    for unit in units(bytes) {
        let kind = unit.first().map_or(0, |head| head & 0x1f);
        let is_slice = matches!(kind, 1 | 5);
        // `first_mb_in_slice` is zero when its code begins with a one.
        let begins = !is_slice || unit.get(1).is_some_and(|byte| byte & 0x80 != 0);
        if has_slice && begins {
            pictures.push(std::mem::take(&mut picture));
            has_slice = false;
        }
        has_slice |= is_slice;
        // Delimiters are for byte streams only.
        if kind != 9 {
            picture.push(unit.to_vec());
        }
    }
    if has_slice {
        pictures.push(picture);
    }
    pictures
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pictures_begin_with_their_parameter_sets() {
        let stream = [
            &[0, 0, 0, 1, 9, 0x10][..],
            &[0, 0, 0, 1, 0x67, 1],
            &[0, 0, 0, 1, 0x68, 2],
            &[0, 0, 1, 0x65, 0x88, 3],
            &[0, 0, 1, 0x65, 0x08, 3],
            &[0, 0, 0, 1, 0x41, 0x9a, 4],
            &[0, 0, 0, 1, 0x41, 0x9a, 5],
        ];
        let pictures = access_units(&stream.concat());
        let lengths: Vec<_> = pictures.iter().map(Vec::len).collect();
        assert_eq!(lengths, [4, 1, 1]);
        assert_eq!(pictures[0][0], [0x67, 1]);
        assert_eq!(units(&[1, 2, 3]).count(), 0);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(0_u8..4, 0..200)) {
            access_units(&bytes);
        }
    }
}
