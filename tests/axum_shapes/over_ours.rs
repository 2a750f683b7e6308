//! The same handlers with other imports.

use axum_websocket::ws;

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
