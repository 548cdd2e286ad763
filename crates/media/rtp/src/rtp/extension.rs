//! Walking over the elements of a header extension block (RFC 8285 §4).

use super::{ONE_BYTE_PROFILE, TWO_BYTE_PROFILE};

/// Iterator over `(id, value)` of an extension block. A malformed element ends it.
#[derive(Clone, Debug, Default)]
pub struct ExtensionIter<'a> {
    rest: &'a [u8],
    two_byte: bool,
}

impl<'a> ExtensionIter<'a> {
    /// Walks the elements behind the block's head. Private profiles have none.
    pub(super) fn new(profile: u16, block: &'a [u8]) -> Self {
        // The low four bits of the two-byte profile are free for applications.
        let two_byte = profile & 0xfff0 == TWO_BYTE_PROFILE;
        let rest = if two_byte || profile == ONE_BYTE_PROFILE {
            block
        } else {
            &[]
        };
        Self { rest, two_byte }
    }

    /// Splits the head off the next element: id, length of the value, what follows.
    fn next_head(&self) -> Option<(u8, usize, &'a [u8])> {
        if self.two_byte {
            return match *self.rest {
                [0, ref rest @ ..] => Some((0, 0, rest)),
                [id, len, ref rest @ ..] => Some((id, len.into(), rest)),
                _ => None,
            };
        }
        match *self.rest {
            [0, ref rest @ ..] => Some((0, 0, rest)),
            // Id 0 with a length, and id 15, end the block (RFC 8285 §4.2).
            [0x01..=0x0f | 0xf0.., ..] | [] => None,
            [head, ref rest @ ..] => Some((head >> 4, usize::from(head & 0x0f) + 1, rest)),
        }
    }
}

impl<'a> Iterator for ExtensionIter<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let element = self
                .next_head()
                .and_then(|(id, len, rest)| Some((id, rest.split_at_checked(len)?)));
            let Some((id, (value, rest))) = element else {
                self.rest = &[];
                return None;
            };
            self.rest = rest;
            if id != 0 {
                return Some((id, value));
            }
        }
    }
}
