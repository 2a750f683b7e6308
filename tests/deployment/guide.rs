//! The blocks of code in the guide.

const GUIDE: &str = include_str!("../../crates/tower-websocket/docs/deployment.md");

/// Returns a block of code of the guide, by its language and its position among those.
pub(crate) fn block(language: &str, index: usize) -> &'static str {
    let fence = format!("\n```{language}\n");
    let block = GUIDE.split(&fence).nth(index + 1).expect("a block of this language");
    block.split("```").next().expect("split returns something")
}
