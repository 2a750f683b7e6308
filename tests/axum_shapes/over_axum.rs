//! The handlers with axum's types, which shows that the handlers and the assertions apply to axum.

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
