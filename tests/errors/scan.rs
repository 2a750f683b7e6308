//! The public error types and their variants as declared in the sources. The parser relies on the
//! format of rustfmt.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Returns the names of all public errors: `Type` of structs, `Type::Variant` of enums.
pub(crate) fn declared_errors() -> BTreeSet<String> {
    let mut errors = BTreeSet::new();
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    for entry in fs::read_dir(crates).expect("the crates") {
        let src = entry.expect("a folder").path().join("src");
        if src.is_dir() {
            scan_folder(&src, &mut errors);
        }
    }
    errors
}

fn scan_folder(folder: &Path, errors: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            scan_folder(&path, errors);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            scan(&fs::read_to_string(&path).expect("text"), errors);
        }
    }
}

fn scan(source: &str, errors: &mut BTreeSet<String>) {
    let mut derives = false;
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("#[derive(") {
            derives = line.contains("thiserror::Error");
        } else if let Some(name) = line.strip_prefix("impl std::error::Error for ") {
            errors.insert(identifier(name));
        } else if line == "rejections! {" {
            let names: Vec<_> = variants(&mut lines).collect();
            errors.extend(names.iter().map(|name| format!("WebSocketUpgradeRejection::{name}")));
            errors.extend(names);
        } else if let Some(name) = line.strip_prefix("pub enum ").filter(|_| derives) {
            let name = identifier(name);
            errors.extend(variants(&mut lines).map(|variant| format!("{name}::{variant}")));
            derives = false;
        } else if let Some(name) = line.strip_prefix("pub struct ").filter(|_| derives) {
            errors.insert(identifier(name));
        }
        if line.starts_with('}') || line.ends_with(';') {
            derives = false;
        }
    }
}

/// Returns the names at the first level within a block.
fn variants<'a>(lines: &mut impl Iterator<Item = &'a str>) -> impl Iterator<Item = String> {
    lines.take_while(|line| *line != "}").filter_map(|line| {
        let line = line.strip_prefix("    ")?;
        line.starts_with(|first: char| first.is_ascii_uppercase()).then(|| identifier(line))
    })
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|char| char.is_ascii_alphanumeric()).collect()
}

#[test]
fn variants_and_structs_are_found_in_source() {
    let mut errors = BTreeSet::new();
    let source = "
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault<T> {
    /// Why.
    #[error(\"one\")]
    One(T),
    #[error(\"two\")]
    Two {
        /// Named.
        Field: u8,
    },
}

pub struct NoErrorEither {
    pub field: u8,
}

#[derive(Debug)]
pub enum NoError {
    Variant,
}

#[derive(Debug, thiserror::Error)]
#[error(\"three\")]
pub struct Three(pub String);

impl std::error::Error for Four {}
";
    scan(source, &mut errors);
    assert_eq!(errors.iter().collect::<Vec<_>>(), ["Fault::One", "Fault::Two", "Four", "Three"]);
}
