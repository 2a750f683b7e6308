//! The origin guard: its decisions, and the servers that it protects.

mod admission;
mod answers;
mod gates;
mod http2;
mod patterns;
mod rules;
mod service;
mod verdicts;
