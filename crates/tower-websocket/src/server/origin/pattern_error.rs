/// Why [`OriginGuard`](crate::OriginGuard) takes no such pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// It is no origin: a scheme and a host, and perhaps a port, with nothing behind, not even a `/`. Names are written
    /// as browsers send them, in ASCII (`xn--…`).
    #[error("{0:?} is no origin, such as https://example.com or http://localhost:8080")]
    Origin(String),
    /// It is `null`, which is no origin but the want of one.
    #[error("null is no pattern: use allow_null")]
    Null,
    /// A `*` stands for something else than all labels below a name, or a port.
    #[error("{0:?} is no pattern, such as https://*.example.com or http://localhost:*")]
    Wildcard(String),
    /// It is no host: a name, an IPv4 address, or an IPv6 address in brackets, and perhaps a port.
    #[error("{0:?} is no host, such as localhost, 127.0.0.1:8080, [::1] or *.example.com")]
    Host(String),
}
