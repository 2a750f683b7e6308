//! The guard on HTTP/2 (RFC 8441).

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tower_websocket::Version;
use tower_websocket::origin::OriginRefusal;

use super::gates::{Gate, HTTP2, guard, localhost};
use crate::client::Client;
use crate::run::run;
use crate::serve::Port;
use crate::wire::Wire;

/// Opens an HTTP/2 connection.
async fn http2(port: Port) -> SendRequest<Empty<Bytes>> {
    let io = TokioIo::new(port.connect_http2().await);
    let (sender, connection) = handshake(TokioExecutor::new(), io).await.expect("HTTP/2");
    tokio::spawn(connection);
    sender
}

/// RFC 8441 §4.
fn connect(authority: &str, origin: Option<&str>) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = format!("https://{authority}/chat").parse().expect("a URI");
    request.extensions_mut().insert(Protocol::from_static("websocket"));
    request.headers_mut().insert("sec-websocket-version", "13".parse().unwrap());
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", origin.parse().unwrap());
    }
    request
}

async fn opened(sender: &mut SendRequest<Empty<Bytes>>, request: Request<Empty<Bytes>>) -> Client {
    let mut response = sender.send_request(request).await.expect("a response");
    assert_eq!(response.status(), 200);
    let upgraded = hyper::upgrade::on(&mut response).await.expect("a tunnel");
    Client { wire: Wire::new(TokioIo::new(upgraded)), version: Version::Hybi13 }
}

async fn refused(sender: &mut SendRequest<Empty<Bytes>>, request: Request<Empty<Bytes>>, refusal: OriginRefusal) {
    let (parts, body) = sender.send_request(request).await.expect("a response").into_parts();
    assert_eq!(parts.status, refusal.status());
    let names: Vec<_> = parts.headers.keys().map(|name| name.as_str()).collect();
    assert!(names.iter().all(|name| ["content-type", "content-length", "date"].contains(name)), "{names:?}");
    assert_eq!(body.collect().await.expect("a body").to_bytes(), format!("{refusal}\n"));
}

#[test]
fn refused_handshake_on_http_2_ends_only_its_stream() {
    run(async || {
        for gate in HTTP2 {
            let mut sender = http2(gate.serve(guard()).await).await;
            let mut open = opened(&mut sender, connect("example.com", Some("https://example.com"))).await;
            for (origin, refusal) in [
                ("https://evil.com", OriginRefusal::CrossOrigin),
                ("https://example.com:8443", OriginRefusal::CrossOrigin),
                ("null", OriginRefusal::Null),
                ("https://example.com/", OriginRefusal::Malformed),
                ("https://example.com, https://evil.com", OriginRefusal::Several),
            ] {
                refused(&mut sender, connect("example.com", Some(origin)), refusal).await;
                open.echo(&["still here"]).await;
            }
            open.close().await;
            opened(&mut sender, connect("example.com:8443", Some("https://example.com:8443"))).await.close().await;
            opened(&mut sender, connect("example.com", None)).await.close().await;
        }
    });
}

#[test]
fn authority_on_http_2_is_the_host() {
    run(async || {
        for gate in HTTP2 {
            let mut sender = http2(gate.serve(localhost()).await).await;
            opened(&mut sender, connect("localhost:8080", Some("http://localhost:8080"))).await.close().await;
            refused(&mut sender, connect("evil.com", Some("https://evil.com")), OriginRefusal::Host).await;
            let mut both = connect("localhost", Some("https://localhost"));
            both.headers_mut().insert("host", "evil.com".parse().unwrap());
            refused(&mut sender, both, OriginRefusal::MalformedHost).await;
        }
    });
}

#[test]
fn plain_requests_on_http_2_pass_through() {
    run(async || {
        for gate in [Gate::Layer, Gate::Tls, Gate::Router] {
            let mut sender = http2(gate.serve(localhost().require_origin(true)).await).await;
            let mut get = Request::new(Empty::new());
            *get.uri_mut() = "https://evil.com/".parse().unwrap();
            get.headers_mut().insert("origin", "https://evil.com".parse().unwrap());
            assert_eq!(sender.send_request(get).await.unwrap().status(), 404);
        }
    });
}
