//! The texts of all public errors: lower case, no full stop, and never the text of their source.

mod rules;
mod scan;
mod values;

use std::collections::BTreeSet;

use crate::rules::broken_rule;
use crate::scan::declared_errors;
use crate::values::all;

#[test]
fn public_errors_follow_the_rules_of_error_texts() {
    let broken: Vec<_> =
        all().iter().filter_map(|error| Some(format!("{}: {}", error.name, broken_rule(error)?))).collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Errors are not exhaustive outside of their crates, so the list is checked against the sources.
#[test]
fn public_errors_are_all_checked() {
    let checked: BTreeSet<_> = all().iter().map(|error| error.name.to_owned()).collect();
    let declared = declared_errors();
    assert!(declared.len() > 100, "{declared:#?}");
    assert_eq!(declared.difference(&checked).collect::<Vec<_>>(), [""; 0], "declared, and not checked");
    assert_eq!(checked.difference(&declared).collect::<Vec<_>>(), [""; 0], "checked, and not declared");
}
