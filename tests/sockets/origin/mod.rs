//! The origin guard: its verdicts, and the servers that it stands before.

mod admission;
mod answers;
mod gates;
mod http2;
mod patterns;
mod rules;
mod service;
mod verdicts;
