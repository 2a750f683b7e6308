//! The origin guard: its decisions, and the servers that it protects.

mod admission;
mod answers;
mod gates;
mod hosts;
mod http2;
mod patterns;
mod rules;
mod same_origin;
mod service;
mod verdicts;
