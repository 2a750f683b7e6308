//! sockudo-ws: its stream, as in its example `simple_echo`, with the handshake by its own
//! functions. For broadcasts its topics, as in its example `pubsub_echo`.

use std::error::Error;
use std::sync::Arc;

use bytes::BytesMut;
use sockudo_ws::deflate::{DeflateConfig, negotiate_server_deflate};
use sockudo_ws::handshake::{build_response, generate_accept_key, parse_request};
use sockudo_ws::protocol::{Message, Role};
use sockudo_ws::pubsub::PubSub;
use sockudo_ws::{CompressedWebSocketStream, Config, WebSocketStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use websocket_bench::echo;
use websocket_bench::server::{self, MAX_MESSAGE, Mode, Options};

/// The topic that all connections are subscribed to.
const ROOM: &str = "room";

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::read();
    let mode = options.mode;
    if mode == Mode::Small {
        return mode.refuse();
    }
    let config =
        Config::builder().max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE).max_backpressure(MAX_MESSAGE);
    let config = match mode {
        // Without pings, which the load generator does not answer between its turns, and without
        // the timeout of members that only receive.
        Mode::Broadcast => config.auto_ping(false).idle_timeout(0).build(),
        _ => config.build(),
    };
    let room = Arc::new(PubSub::new());
    server::run(&options, |listener| {
        server::connections(listener, move |stream| {
            let (config, room) = (config.clone(), room.clone());
            async move {
                let _ = serve(stream, config, mode, room).await;
            }
        })
    })
}

async fn serve(mut stream: TcpStream, config: Config, mode: Mode, room: Arc<PubSub>) -> sockudo_ws::Result<()> {
    let mut head = BytesMut::with_capacity(4096);
    let (used, deflate) = loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
        if let Some((request, used)) = parse_request(&head)? {
            let offer = request.extensions.filter(|_| matches!(mode, Mode::Deflate | Mode::Takeover));
            let agreed = offer.and_then(|offer| negotiate_server_deflate(offer, &DeflateConfig::default()));
            let header = agreed.as_ref().map(|agreed| agreed.to_response_header());
            let answer = build_response(&generate_accept_key(request.key), None, header.as_deref());
            stream.write_all(&answer).await?;
            break (used, agreed.map(|agreed| agreed.config));
        }
    };
    let rest = head.split_off(used).freeze();
    let rest = (!rest.is_empty()).then_some(rest);
    match deflate {
        Some(deflate) => {
            let socket = CompressedWebSocketStream::server_with_leftover(stream, config, deflate, rest);
            echo::plain(socket, is_data).await;
        }
        None => {
            let socket = WebSocketStream::from_raw_with_leftover(stream, Role::Server, config, rest);
            match mode {
                Mode::Batched => echo::batched(socket, is_data).await,
                Mode::Broadcast => say_to_all(socket, &room).await?,
                _ => echo::plain(socket, is_data).await,
            }
        }
    }
    Ok(())
}

async fn say_to_all(socket: WebSocketStream<TcpStream>, room: &PubSub) -> sockudo_ws::Result<()> {
    let (mut reader, mut writer) = socket.split();
    let (sender, mut said) = mpsc::unbounded_channel();
    let subscriber = room.create_subscriber(sender);
    room.subscribe(subscriber, ROOM);
    loop {
        tokio::select! {
            message = reader.next() => match message {
                Some(Ok(message)) if is_data(&message) => drop(room.publish(ROOM, message)),
                Some(Ok(_)) => {}
                _ => break,
            },
            Some(message) = said.recv() => writer.send(message).await?,
        }
    }
    room.remove_subscriber(subscriber);
    Ok(())
}

fn is_data(message: &Message) -> bool {
    matches!(message, Message::Text(_) | Message::Binary(_))
}
