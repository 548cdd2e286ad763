//! A line of input as words: apart by white space, quoted where they have some.

/// One word of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Word {
    /// Without quotes.
    pub(crate) text: String,
    /// Where it begins in the line, in bytes.
    pub(crate) start: usize,
}

/// Why a line is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a quote is not closed")]
pub(crate) struct Unclosed;

/// The words of a line. `'…'` takes everything as it is; `"…"` and words without quotes take what follows a `\` as it is.
pub(crate) fn split(line: &str) -> Result<Vec<Word>, Unclosed> {
    let (words, is_open) = split_open(line);
    if is_open { Err(Unclosed) } else { Ok(words) }
}

/// The same of a line that is still being written: whether its last word has a quote that is not closed, or ends in the
/// middle of something else.
pub(crate) fn split_open(line: &str) -> (Vec<Word>, bool) {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut quote = None;
    let mut escaped = false;
    for (at, char) in line.char_indices() {
        if word.is_none() && char.is_whitespace() {
            continue;
        }
        if !escaped && quote.is_none() && char.is_whitespace() {
            words.extend(word.take());
            continue;
        }
        let current = word.get_or_insert_with(|| Word {
            text: String::new(),
            start: at,
        });
        match (char, quote) {
            _ if escaped => {
                escaped = false;
                current.text.push(char);
            }
            ('\\', None | Some('"')) => escaped = true,
            ('"' | '\'', None) => quote = Some(char),
            (char, Some(open)) if char == open => quote = None,
            _ => current.text.push(char),
        }
    }
    words.extend(word);
    (words, quote.is_some() || escaped)
}

/// A word as it has to be written.
pub fn quote(word: &str) -> String {
    let is_plain = |char: char| !char.is_whitespace() && !['"', '\'', '\\', '#'].contains(&char);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    let mut quoted = String::from("\"");
    for char in word.chars() {
        if ['"', '\\'].contains(&char) {
            quoted.push('\\');
        }
        quoted.push(char);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(line: &str) -> Vec<String> {
        let words = split(line).expect("closed");
        words.into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn quotes_and_backslashes_keep_words_together() {
        assert_eq!(texts("  kick  room peer "), ["kick", "room", "peer"]);
        assert_eq!(
            texts(r#"a "b c" 'd "e' f\ g """#),
            ["a", "b c", "d \"e", "f g", ""]
        );
        assert_eq!(texts(r#"x"y z"'w'"#), ["xy zw"]);
        for open in ["\"a", "'a", "a\\"] {
            assert_eq!(split(open), Err(Unclosed), "{open}");
        }
        assert_eq!(split("ab  'cd'").expect("closed")[1].start, 4);
    }

    proptest! {
        #[test]
        fn what_is_quoted_comes_back(words in proptest::collection::vec(any::<String>(), 0..6)) {
            let line: Vec<_> = words.iter().map(|word| quote(word)).collect();
            prop_assert_eq!(texts(&line.join(" ")), words);
        }

        #[test]
        fn no_line_panics(line in any::<String>()) {
            let (words, _) = split_open(&line);
            prop_assert!(words.iter().all(|word| line.is_char_boundary(word.start)));
        }
    }
}
