use serde::Serialize;
use serde::de::DeserializeOwned;
use websocket_driver::{CloseCode, Message};

use super::codec::{Decode, Encode};
use super::error::{DecodeError, EncodeError};
use super::socket::TypedSocket;
use crate::transport::upgraded::Upgraded;

/// Values as JSON, each a text message (feature `json`).
///
/// A text that is not the JSON of a value closes the connection with 1007, a binary message with
/// 1003 (RFC 6455 §7.4.1). The size of messages is limited by
/// [`Config::max_message_size`](crate::Config::max_message_size), and the depth of the JSON to 128
/// by `serde_json`.
// Exhaustive: it has no options.
#[derive(Debug, Clone, Copy, Default)]
pub struct Json;

/// A socket of values as JSON, which receives `In` and sends `Out` (feature `json`).
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use tower_websocket::typed::{Json, JsonSocket, TypedError, TypedSocket};
/// use tower_websocket::WebSocket;
///
/// #[derive(Deserialize)]
/// #[serde(tag = "type", rename_all = "lowercase")]
/// enum Request {
///     Add { a: i64, b: i64 },
/// }
///
/// #[derive(Serialize)]
/// struct Response {
///     sum: i64,
/// }
///
/// async fn calculate(socket: WebSocket) -> Result<(), TypedError> {
///     let mut socket: JsonSocket<Request, Response> = TypedSocket::new(socket, Json);
///     while let Some(request) = socket.recv().await {
///         let Request::Add { a, b } = request?;
///         socket.send(&Response { sum: a.saturating_add(b) }).await?;
///     }
///     Ok(())
/// }
/// ```
pub type JsonSocket<In, Out, T = Upgraded> = TypedSocket<Json, In, Out, T>;

impl<T: Serialize + ?Sized> Encode<T> for Json {
    fn encode(&self, value: &T) -> Result<Message, EncodeError> {
        serde_json::to_string(value).map(Message::text).map_err(EncodeError::new)
    }
}

impl<T: DeserializeOwned> Decode<T> for Json {
    fn decode(&self, message: Message) -> Result<T, DecodeError> {
        match message {
            Message::Text(text) => serde_json::from_str(&text).map_err(DecodeError::invalid_data),
            _ => Err(DecodeError::new(CloseCode::UNSUPPORTED_DATA, "not a text message")),
        }
    }
}
