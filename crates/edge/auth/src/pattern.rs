//! Names with `*` in them.

/// Whether `name` is one that `pattern` means: `*` stands for any characters, also for none.
///
/// Time grows with the product of both lengths at most: where characters differ, only the last `*` takes one more.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    // Behind the last `*`, and where the name went on when it was reached.
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                p += 1;
                retry = Some((p, n));
            }
            Some(byte) if name.get(n) == Some(byte) => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((behind, from)) = retry else {
                    return false;
                };
                retry = Some((behind, from + 1));
                (p, n) = (behind, from + 1);
            }
        }
    }
    let rest = pattern.get(p..).unwrap_or_default();
    rest.iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, expected) in [
            ("room", "room", true),
            ("room", "rooms", false),
            ("room", "Room", false),
            ("*", "", true),
            ("*", "anything", true),
            ("class-*", "class-7b", true),
            ("class-*", "class-", true),
            ("class-*", "klass-7", false),
            ("*-7", "class-7", true),
            ("*-7", "class-77", false),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "a1c2b", false),
            ("**", "x", true),
            ("", "", true),
            ("", "x", false),
            ("ä*", "äö", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    /// As one would define it.
    fn by_definition(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|from| by_definition(rest, &name[from..])),
            Some((byte, rest)) => name.first() == Some(byte) && by_definition(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn it_means_what_the_definition_says(pattern in "[ab*]{0,8}", name in "[ab]{0,10}") {
            prop_assert_eq!(
                matches(&pattern, &name),
                by_definition(pattern.as_bytes(), name.as_bytes())
            );
        }

        #[test]
        fn a_name_without_a_star_means_itself(name in "[^*]{0,20}", other in "[^*]{0,20}") {
            prop_assert!(matches(&name, &name));
            prop_assert_eq!(matches(&name, &other), name == other);
        }
    }
}
