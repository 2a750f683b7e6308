//! The rules for error texts.

use std::error::Error;

use crate::values::Checked;

/// Words in upper case that may start a text.
const PROPER_NAMES: [&str; 3] = ["HTTP", "TLS", "URL"];

/// Returns the rule that an error violates, with its text, if any.
pub(crate) fn broken_rule(checked: &Checked) -> Option<String> {
    let Checked { error, cause, .. } = checked;
    let text = error.to_string();
    let rule = if !begins_well(&text) {
        "begins in lower case, with a proper name or a quotation"
    } else if text.ends_with(['.', ':', ' ']) || text.contains('\n') {
        "is one line without a full stop"
    } else if error.source().is_some_and(|source| text.contains(&source.to_string())) {
        "does not repeat its source"
    } else if cause.as_ref().is_some_and(|cause| !has_cause(&**error, &**cause)) {
        "has the cause it holds as its source, or stands for it"
    } else if cause.is_none() && error.source().is_some() {
        "has no source that is not listed"
    } else {
        return None;
    };
    Some(format!("{text:?} breaks the rule: an error {rule}"))
}

fn begins_well(text: &str) -> bool {
    PROPER_NAMES.iter().any(|name| text.starts_with(name))
        || text.starts_with(|first: char| first.is_lowercase() || matches!(first, '"' | '`'))
        // Names of headers.
        || text.split([' ', ':']).next().is_some_and(|word| word.contains('-') && !word.ends_with('-'))
}

fn has_cause(error: &dyn Error, cause: &dyn Error) -> bool {
    let source = |error: &dyn Error| error.source().map(ToString::to_string);
    source(error) == Some(cause.to_string())
        // Transparent.
        || (error.to_string() == cause.to_string() && source(error) == source(cause))
}

#[test]
fn rules_are_broken_by_what_breaks_them() {
    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Flat(&'static str);

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Nested(&'static str, #[source] Flat);

    let cause = || Some(Box::new(Flat("broken pipe")) as Box<dyn Error>);
    let flat = |text, cause| Checked { name: "", error: Box::new(Flat(text)), cause };
    let nested = |text, cause| Checked { name: "", error: Box::new(Nested(text, Flat("broken pipe"))), cause };
    for (checked, rule) in [
        (flat("transport failed", None), None),
        (flat("HTTP head exceeds 10 bytes", None), None),
        (flat("broken pipe", cause()), None),
        (nested("transport failed", cause()), None),
        (flat("Transport failed", None), Some("lower case")),
        (flat("transport failed.", None), Some("full stop")),
        (flat("transport\nfailed", None), Some("one line")),
        (nested("transport failed: broken pipe", cause()), Some("repeat")),
        (flat("transport failed", cause()), Some("has the cause")),
        (nested("transport failed", None), Some("not listed")),
    ] {
        let broken = broken_rule(&checked);
        match rule {
            Some(rule) => assert!(broken.as_ref().is_some_and(|broken| broken.contains(rule)), "{rule}: {broken:?}"),
            None => assert_eq!(broken, None),
        }
    }
}
