//! The complete text of an error.

use std::error::Error;
use std::iter::successors;

/// Returns the text of an error and of its sources, separated by colons.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    for source in successors(error.source(), |&source| source.source()) {
        text += &format!(": {source}");
    }
    text
}
