//! The Grafana dashboard: it shows what the example exposes, all of it and nothing else.

use std::collections::BTreeSet;

use serde_json::Value;

/// The metrics that the queries of the dashboard name.
pub(crate) fn metrics() -> BTreeSet<String> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/metrics_dashboard.json");
    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let queries = |list: &Value, name: &str| -> Vec<String> {
        let query = |item: &Value| item[name].as_str().map(str::to_owned);
        list.as_array().unwrap().iter().filter_map(query).collect()
    };
    let mut all = queries(&dashboard["templating"]["list"], "definition");
    for panel in dashboard["panels"].as_array().unwrap() {
        let targets = queries(&panel["targets"], "expr");
        assert!(!targets.is_empty(), "{panel}");
        all.extend(targets);
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = all.iter().flat_map(|query| query.split(|c| !is_name(c)));
    words.filter(|word| word.starts_with("websocket_")).map(str::to_owned).collect()
}
