//! Reading expressions of Prometheus as far as it takes to find out which metrics and labels an expression uses, and how.

use super::table::{Kind, Metrics};

/// Everything that is wrong with an expression.
pub(crate) fn check(metrics: &Metrics, text: &str) -> Vec<String> {
    let tokens = match tokenize(text) {
        Ok(tokens) => tokens,
        Err(problem) => return vec![problem],
    };
    let mut checker = Checker {
        metrics,
        tokens: &tokens,
        at: 0,
        used: false,
        problems: Vec::new(),
    };
    checker.run();
    if !checker.used {
        checker.problems.push("uses no metric".into());
    }
    checker.problems
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    /// What stands in square brackets.
    Range,
    Sign(char),
}

const FUNCTIONS: &[&str] = &[
    "abs",
    "absent",
    "avg",
    "changes",
    "clamp_max",
    "clamp_min",
    "count",
    "delta",
    "histogram_quantile",
    "increase",
    "max",
    "max_over_time",
    "min",
    "quantile",
    "rate",
    "sum",
    "time",
    "topk",
    "vector",
];

/// Words that are followed by a list of labels.
const GROUPINGS: &[&str] = &[
    "by",
    "group_left",
    "group_right",
    "ignoring",
    "on",
    "without",
];

const KEYWORDS: &[&str] = &["and", "bool", "offset", "or", "unless"];

/// Labels that Prometheus adds itself.
const OWN_LABELS: &[&str] = &["instance", "job"];

struct Checker<'a> {
    metrics: &'a Metrics,
    tokens: &'a [Token],
    at: usize,
    used: bool,
    problems: Vec<String>,
}

impl Checker<'_> {
    fn run(&mut self) {
        while let Some(token) = self.next() {
            let Token::Word(word) = token else {
                continue;
            };
            let first = word.chars().next().unwrap_or_default();
            if first.is_ascii_digit() || KEYWORDS.contains(&word.as_str()) {
                continue;
            }
            if GROUPINGS.contains(&word.as_str()) {
                self.check_grouping();
            } else if self.peek() == Some(&Token::Sign('(')) {
                if !FUNCTIONS.contains(&word.as_str()) {
                    self.problems.push(format!("unknown function {word}"));
                }
            } else if FUNCTIONS.contains(&word.as_str()) && self.is_grouping_next() {
                // `sum by (…) (…)`
            } else {
                self.check_metric(&word);
            }
        }
    }

    fn check_metric(&mut self, name: &str) {
        self.used = true;
        let Some((base, kind)) = self.resolve(name) else {
            self.problems.push(format!("no node exports {name}"));
            self.skip_matchers();
            return;
        };
        if self.peek() == Some(&Token::Sign('{')) {
            self.check_matchers(&base, kind);
        }
        let grows = matches!(kind, Kind::Counter | Kind::Histogram);
        if grows && self.peek() != Some(&Token::Range) {
            let problem = format!("{name} only grows: take its rate() or increase()");
            self.problems.push(problem);
        }
    }

    /// The name in the table, and the kind.
    fn resolve(&self, name: &str) -> Option<(String, Kind)> {
        let plain = self.metrics.get(name).map(|metric| metric.kind);
        if let Some(kind) = plain.filter(|kind| *kind != Kind::Histogram) {
            return Some((name.to_owned(), kind));
        }
        ["_bucket", "_count", "_sum"].iter().find_map(|suffix| {
            let base = name.strip_suffix(suffix)?;
            let metric = self.metrics.get(base)?;
            (metric.kind == Kind::Histogram).then(|| (base.to_owned(), Kind::Histogram))
        })
    }

    fn check_matchers(&mut self, metric: &str, kind: Kind) {
        self.next();
        while let Some(token) = self.next() {
            match token {
                Token::Sign('}') => return,
                Token::Word(label) => {
                    while matches!(self.peek(), Some(Token::Sign('=' | '!' | '~'))) {
                        self.next();
                    }
                    let value = match self.next() {
                        Some(Token::Text(value)) => value,
                        other => {
                            self.problems
                                .push(format!("{label} is compared with {other:?}"));
                            return;
                        }
                    };
                    self.check_label(metric, kind, &label, &value);
                }
                _ => {}
            }
        }
    }

    fn check_label(&mut self, metric: &str, kind: Kind, label: &str, value: &str) {
        if OWN_LABELS.contains(&label) || label == "le" && kind == Kind::Histogram {
            return;
        }
        let known = self.metrics.get(metric).and_then(|it| it.labels.get(label));
        let Some(values) = known else {
            self.problems.push(format!("{metric} has no label {label}"));
            return;
        };
        // Dashboards put their variables here.
        let words = value.split('|').filter(|word| !word.starts_with('$'));
        for word in words {
            if !values.is_empty() && !values.iter().any(|value| value == word) {
                self.problems
                    .push(format!("{label} of {metric} is never {word}"));
            }
        }
    }

    fn check_grouping(&mut self) {
        if self.peek() != Some(&Token::Sign('(')) {
            return;
        }
        while let Some(token) = self.next() {
            match token {
                Token::Sign(')') => return,
                Token::Word(label) => {
                    let of_metric = self
                        .metrics
                        .values()
                        .any(|it| it.labels.contains_key(&label));
                    if !of_metric && label != "le" && !OWN_LABELS.contains(&label.as_str()) {
                        self.problems.push(format!("no metric has a label {label}"));
                    }
                }
                _ => {}
            }
        }
    }

    fn skip_matchers(&mut self) {
        if self.peek() == Some(&Token::Sign('{')) {
            while self.next().is_some_and(|token| token != Token::Sign('}')) {}
        }
    }

    fn is_grouping_next(&self) -> bool {
        matches!(self.peek(), Some(Token::Word(word)) if GROUPINGS.contains(&word.as_str()))
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }
}

fn tokenize(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut open = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(first) = chars.next() {
        match first {
            '"' => {
                let mut value = String::new();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some(char) => value.push(char),
                        None => return Err("a text does not end".into()),
                    }
                }
                tokens.push(Token::Text(value));
            }
            '[' => {
                if !chars.by_ref().any(|char| char == ']') {
                    return Err("a range does not end".into());
                }
                tokens.push(Token::Range);
            }
            _ if first.is_alphanumeric() || matches!(first, '_' | ':' | '.' | '$') => {
                let mut word = String::from(first);
                while let Some(&char) = chars.peek() {
                    if !char.is_alphanumeric() && !matches!(char, '_' | ':' | '.') {
                        break;
                    }
                    word.push(char);
                    chars.next();
                }
                tokens.push(Token::Word(word));
            }
            _ if first.is_whitespace() => {}
            _ => {
                match first {
                    '(' => open.push(')'),
                    '{' => open.push('}'),
                    ')' | '}' if open.pop() != Some(first) => {
                        return Err(format!("unexpected {first}"));
                    }
                    _ => {}
                }
                tokens.push(Token::Sign(first));
            }
        }
    }
    match open.pop() {
        Some(missing) => Err(format!("{missing} is missing")),
        None => Ok(tokens),
    }
}
