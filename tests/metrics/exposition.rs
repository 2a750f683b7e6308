//! A strict parser for Prometheus' text format 0.0.4, which panics on any violation.

use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Scraped samples by name and labels as written.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    samples: BTreeMap<String, f64>,
}

impl Exposition {
    pub(crate) fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line has no end");
        let mut exposition = Self::default();
        let (mut seen, mut family, mut kind) = (HashSet::new(), "", "");
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').unwrap();
                assert!(is_name(name) && !help.is_empty(), "{line}");
                assert!(seen.insert(name), "a second time: {line}");
                (family, kind) = (name, "");
            } else if let Some(typed) = line.strip_prefix("# TYPE ") {
                let (name, typed) = typed.split_once(' ').unwrap();
                assert!(name == family && kind.is_empty(), "out of place: {line}");
                assert!(["counter", "gauge", "histogram"].contains(&typed), "{line}");
                kind = typed;
            } else {
                exposition.read_sample(line, family, kind);
            }
        }
        exposition.check_histogram("websocket_round_trip_seconds");
        exposition
    }

    pub(crate) fn value(&self, sample: &str) -> f64 {
        *self.samples.get(sample).unwrap_or_else(|| panic!("no {sample} in {self:#?}"))
    }

    /// Returns the names of all samples, without labels.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.samples.keys().map(|sample| sample.split('{').next().unwrap_or(sample).to_owned()).collect()
    }

    /// Returns the values of a family with labels.
    pub(crate) fn values(&self, family: &str) -> Vec<f64> {
        let labelled = format!("{family}{{");
        self.samples.iter().filter(|(name, _)| name.starts_with(&labelled)).map(|(_, value)| *value).collect()
    }

    fn read_sample(&mut self, line: &str, family: &str, kind: &str) {
        let (sample, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
        let (name, labels) = sample.split_once('{').map_or((sample, None), |(name, labels)| (name, Some(labels)));
        match (kind, name.strip_prefix(family)) {
            ("counter", Some("")) => assert!(name.ends_with("_total"), "{line}"),
            ("gauge", Some("")) | ("histogram", Some("_bucket" | "_sum" | "_count")) => {}
            _ => panic!("not of the family {family}, a {kind}: {line}"),
        }
        if let Some(labels) = labels {
            let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("{line}"));
            for label in labels.split(',') {
                let (name, value) = label.split_once('=').unwrap_or_else(|| panic!("{line}"));
                let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
                assert!(is_name(name) && value.is_some_and(|value| !value.contains(['"', '\\'])), "{line}");
            }
        }
        let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
        assert!(value >= 0.0, "{line}");
        assert!(self.samples.insert(sample.to_owned(), value).is_none(), "a second time: {line}");
    }

    /// Checks that buckets are cumulative, and that the last one contains everything.
    fn check_histogram(&self, name: &str) {
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        let begin = format!("{name}_bucket{{le=\"");
        for (sample, value) in &self.samples {
            if let Some(limit) = sample.strip_prefix(&begin) {
                buckets.push((limit.trim_end_matches("\"}").parse().unwrap(), *value));
            }
        }
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        assert!(buckets.is_sorted_by(|one, other| one.1 <= other.1), "{buckets:?}");
        assert_eq!(buckets.last(), Some(&(f64::INFINITY, self.value(&format!("{name}_count")))));
        self.value(&format!("{name}_sum"));
    }
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
