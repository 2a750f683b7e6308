//! The GraphQL server of `tests/ports/run`: async-graphql's subscriptions over the types of
//! `axum_websocket::ws`, written as for axum. Prints the port it listens on, then a line for each
//! close frame that is received.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_graphql::http::{
    ALL_WEBSOCKET_PROTOCOLS, WebSocket as Subscriptions, WebSocketProtocols as Protocols, WsMessage,
};
use async_graphql::{Context, Data, EmptyMutation, Error, Object, Schema, Subscription};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum_websocket::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use futures_util::{SinkExt, Stream, StreamExt, future, stream};
use tokio::net::TcpListener;

type Api = Schema<Query, EmptyMutation, Events>;

/// The name in the payload of `connection_init`.
struct User(String);

/// The number of subscriptions that have neither ended nor been dropped.
#[derive(Clone, Default)]
struct Active(Arc<AtomicUsize>);

struct Subscribed(Active);

impl Active {
    fn subscribe(&self) -> Subscribed {
        self.0.fetch_add(1, Ordering::SeqCst);
        Subscribed(self.clone())
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Query;

#[Object]
impl Query {
    async fn echo(&self, text: String) -> String {
        text
    }

    async fn user(&self, cx: &Context<'_>) -> Option<String> {
        cx.data_opt::<User>().map(|user| user.0.clone())
    }

    async fn active(&self, cx: &Context<'_>) -> usize {
        cx.data_unchecked::<Active>().0.load(Ordering::SeqCst)
    }
}

struct Events;

#[Subscription]
impl Events {
    /// Counts from 1 to `to`.
    async fn count(&self, cx: &Context<'_>, to: u32, every_ms: u64) -> impl Stream<Item = u32> {
        let subscribed = cx.data_unchecked::<Active>().subscribe();
        stream::unfold((0, subscribed), move |(count, subscribed)| async move {
            if count == to {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(every_ms)).await;
            Some((count + 1, (count + 1, subscribed)))
        })
    }

    async fn failing(&self) -> impl Stream<Item = Result<u32, Error>> {
        stream::iter([Ok(1), Err(Error::new("out of numbers"))])
    }
}

async fn upgrade(ws: WebSocketUpgrade, State(api): State<Api>) -> Response {
    let ws = ws.protocols(ALL_WEBSOCKET_PROTOCOLS);
    let protocol = ws.selected_protocol().and_then(|name| name.to_str().ok()?.parse::<Protocols>().ok());
    match protocol {
        Some(protocol) => ws.on_upgrade(move |socket| serve(socket, api, protocol)),
        None => (StatusCode::BAD_REQUEST, "unknown subprotocol").into_response(),
    }
}

async fn serve(socket: WebSocket, api: Api, protocol: Protocols) {
    let (mut sink, stream) = socket.split();
    let requests = stream.take_while(|received| future::ready(received.is_ok())).filter_map(|received| {
        future::ready(match received {
            Ok(Message::Text(text)) => Some(text.as_bytes().to_vec()),
            Ok(Message::Binary(bytes)) => Some(bytes.to_vec()),
            Ok(Message::Close(frame)) => {
                let (code, reason) =
                    frame.map_or((1005, String::new()), |frame| (frame.code, frame.reason.to_string()));
                println!("closed {code} {reason}");
                None
            }
            _ => None,
        })
    });
    let mut responses = Subscriptions::new(api, requests, protocol)
        .on_connection_init(authenticate)
        .keepalive_timeout(Duration::from_secs(4));
    while let Some(response) = responses.next().await {
        let message = match response {
            WsMessage::Text(text) => Message::text(text),
            // The code that graphql-transport-ws defines for it; async-graphql sends 1002.
            WsMessage::Close(1002, reason) if reason == "Forbidden" => {
                Message::Close(Some(CloseFrame { code: 4403, reason: reason.into() }))
            }
            WsMessage::Close(code, mut reason) => {
                // A close frame has room for 123 bytes (RFC 6455 §5.5); the text of an error may be longer.
                reason.truncate(reason.floor_char_boundary(123));
                Message::Close(Some(CloseFrame { code, reason: reason.into() }))
            }
        };
        if sink.send(message).await.is_err() {
            break;
        }
    }
    let _ = sink.close().await;
}

async fn authenticate(payload: serde_json::Value) -> Result<Data, Error> {
    if payload["token"] == "wrong" {
        return Err(Error::new("Forbidden"));
    }
    let mut data = Data::default();
    if let Some(name) = payload["name"].as_str() {
        data.insert(User(name.to_owned()));
    }
    Ok(data)
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let api = Schema::build(Query, EmptyMutation, Events).data(Active::default()).finish();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    axum::serve(listener, Router::new().route("/", any(upgrade)).with_state(api)).await
}
