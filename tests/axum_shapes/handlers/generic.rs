//! Based on axum's example "testing-websockets": a handler of any sink and stream, which is also
//! tested without a socket.

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use futures_util::{Sink, SinkExt, Stream, StreamExt, sink, stream};
use tokio::sync::mpsc::unbounded_channel;
use tower_websocket::test;

use super::ws::{Message, WebSocket, WebSocketUpgrade};
use crate::run::run_paused;

async fn whole(ws: WebSocketUpgrade) -> Response {
    ws.on_upgrade(echo)
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if let Message::Text(text) = message
            && socket.send(Message::Text(format!("you said: {text}").into())).await.is_err()
        {
            break;
        }
    }
}

async fn halves(ws: WebSocketUpgrade) -> Response {
    ws.on_upgrade(|socket| {
        let (sink, stream) = socket.split();
        echo_halves(sink, stream)
    })
}

async fn echo_halves<W, R>(mut sink: W, mut stream: R)
where
    W: Sink<Message> + Unpin,
    R: Stream<Item = Result<Message, axum::Error>> + Unpin,
{
    while let Some(Ok(message)) = stream.next().await {
        if let Message::Text(text) = message
            && sink.send(Message::Text(format!("you said: {text}").into())).await.is_err()
        {
            break;
        }
    }
}

#[test]
fn generic_handler_serves_a_socket() {
    run_paused(async || {
        let app = Router::new().route("/whole", get(whole)).route("/halves", get(halves));
        for target in ["/whole", "/halves"] {
            let mut peer = test::open(app.clone(), target).await;
            peer.send_text("foo");
            peer.expect_text("you said: foo").await;
        }
    });
}

#[test]
fn generic_handler_serves_channels() {
    run_paused(async || {
        let (sent, mut received) = unbounded_channel();
        let sink = sink::unfold(sent, |sent, message| async move { sent.send(message).map(|()| sent).map_err(drop) });
        let messages = ["foo".into(), Message::Ping("?".into()), Message::Text("bar".into())];
        echo_halves(Box::pin(sink), stream::iter(messages.map(Ok))).await;
        for expected in ["you said: foo", "you said: bar"] {
            let Some(Message::Text(text)) = received.recv().await else { panic!("no text") };
            assert_eq!(text.as_str(), expected);
        }
        assert!(received.recv().await.is_none());
    });
}
