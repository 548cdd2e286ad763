//! Tables for people: columns as wide as what is in them, cut where the terminal ends.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// A table that grows by rows.
#[derive(Debug)]
pub(crate) struct Table {
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// Between columns.
const GAP: usize = 2;

impl Table {
    /// Columns with these names; without any names there is no line for them.
    pub(crate) fn new(heads: &[&str]) -> Self {
        Self {
            heads: heads.iter().map(ToString::to_string).collect(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, row: impl IntoIterator<Item = String>) {
        let row = row.into_iter().map(|cell| printable(&cell));
        self.rows.push(row.collect());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Lines that are at most so wide. Numbers stand at the right of their columns.
    pub(crate) fn render(&self, width: usize) -> String {
        let has_heads = self.heads.iter().any(|head| !head.is_empty());
        let rows = has_heads
            .then_some(&self.heads)
            .into_iter()
            .chain(&self.rows);
        let cells = |index: usize| self.rows.iter().filter_map(move |row| row.get(index));
        let columns: Vec<_> = (0..self.heads.len())
            .map(|index| {
                let head = self.heads[index].width();
                let widest = cells(index).map(|cell| cell.width()).max();
                let is_number = |cell: &String| cell.parse::<f64>().is_ok() || cell == NOTHING;
                let right = !self.rows.is_empty() && cells(index).all(is_number);
                (widest.unwrap_or(0).max(head), right)
            })
            .collect();
        let mut text = String::new();
        for row in rows {
            let mut line = String::new();
            for (cell, (wide, right)) in row.iter().zip(&columns) {
                let pad = " ".repeat(wide.saturating_sub(cell.width()));
                let (before, after) = if *right { (&*pad, "") } else { ("", &*pad) };
                line.push_str(before);
                line.push_str(cell);
                line.push_str(after);
                line.push_str(&" ".repeat(GAP));
            }
            text.push_str(cut(line.trim_end(), width).trim_end());
            text.push('\n');
        }
        text
    }
}

/// Stands where there is no value.
pub(crate) const NOTHING: &str = "-";

/// What other people chose - names, devices, labels - must not talk to this terminal.
pub(crate) fn printable(text: &str) -> String {
    let shown = |char: char| match char {
        // Those that turn the direction of writing hide what stands there.
        '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => '\u{FFFD}',
        char if char.is_control() => '\u{FFFD}',
        char => char,
    };
    text.chars().map(shown).collect()
}

/// The beginning of a line that fits, with a mark that there is more.
fn cut(line: &str, width: usize) -> String {
    if line.width() <= width {
        return line.to_owned();
    }
    let mut short = String::new();
    let mut used = 1;
    for char in line.chars() {
        used += char.width().unwrap_or(0);
        if used > width {
            break;
        }
        short.push(char);
    }
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[[&str; 3]]) -> Table {
        let mut table = Table::new(&["NAME", "PEERS", "STATE"]);
        for row in rows {
            table.push(row.map(ToString::to_string));
        }
        table
    }

    #[test]
    fn columns_are_aligned_whatever_alphabet_is_in_them() {
        let text = table(&[
            ["a", "7", "open"],
            ["会議室", "1200", ""],
            ["longer", "-", "x"],
        ])
        .render(80);
        assert_eq!(
            text,
            "NAME    PEERS  STATE\na           7  open\n会議室   1200\nlonger      -  x\n"
        );
    }

    #[test]
    fn lines_end_where_the_terminal_does() {
        let text = table(&[["room", "7", "a very long explanation of it"]]).render(20);
        assert!(text.lines().all(|line| line.width() <= 20), "{text}");
        assert!(text.ends_with("…\n"));
        let wide = table(&[["会議室会議室会議室", "7", "x"]]).render(8);
        assert!(wide.lines().all(|line| line.width() <= 8), "{wide}");
    }

    #[test]
    fn names_do_not_talk_to_the_terminal() {
        let text = table(&[["a\x1b[2Jb\nc\u{9b}\u{202e}", "1", "x"]]).render(80);
        assert_eq!(text.lines().count(), 2);
        assert!(!text.contains('\x1b') && !text.contains(['\u{9b}', '\u{202e}']));
    }
}
