//! The handlers with axum's own types: so it is known that they, and what is asserted about them, are axum's.

use axum::extract::ws;

#[path = "handlers/broadcast.rs"]
mod broadcast;
#[path = "handlers/chat.rs"]
mod chat;
#[path = "handlers/extractor.rs"]
mod extractor;
#[path = "handlers/generic.rs"]
mod generic;
#[path = "handlers/greeting.rs"]
mod greeting;
#[path = "handlers/values.rs"]
mod values;
