//! Authentication by a session cookie, as on a site with a login. Log in at `/login`, then open
//! `/ws`.
//!
//! ```text
//! cargo run --example auth_cookie
//! curl -i -X POST http://127.0.0.1:3000/login/ada     # the cookie
//! cargo run --example wsx -- ws://127.0.0.1:3000/ws --header 'cookie: session=…'
//! ```
//!
//! Browsers send cookies with every WebSocket, whichever page opens it, so the origin is checked as
//! well.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use axum_websocket::{OriginGuard, WebSocket, WebSocketUpgrade};

/// The user of each session.
type Sessions = Arc<Mutex<HashMap<String, String>>>;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}/", listener.local_addr()?);
    axum::serve(listener, app()).await
}

fn app() -> Router {
    // A real site checks a password, and keeps sessions where a restart does not lose them.
    let sockets = Router::new().route("/ws", any(handler)).layer(OriginGuard::new());
    Router::new().route("/login/{user}", post(log_in)).merge(sockets).with_state(Sessions::default())
}

async fn log_in(State(sessions): State<Sessions>, Path(user): Path<String>) -> Response {
    let session = format!("{:032x}", rand::random::<u128>());
    sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(session.clone(), user);
    let cookie = format!("session={session}; HttpOnly; SameSite=Strict; Path=/");
    ([(header::SET_COOKIE, cookie)], "logged in\n").into_response()
}

async fn handler(ws: WebSocketUpgrade, State(sessions): State<Sessions>, headers: HeaderMap) -> Response {
    let sessions = sessions.lock().unwrap_or_else(PoisonError::into_inner);
    match session_cookie(&headers).and_then(|session| sessions.get(session).cloned()) {
        Some(user) => ws.on_upgrade(|socket| greet(socket, user)),
        None => (StatusCode::UNAUTHORIZED, "log in first\n").into_response(),
    }
}

fn session_cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|value| value.split(';')).find_map(|cookie| cookie.trim().strip_prefix("session="))
}

async fn greet(mut socket: WebSocket, user: String) {
    let _ = socket.send(format!("hello, {user}")).await;
    while let Some(Ok(message)) = socket.recv().await {
        println!("{user}: {message:?}");
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use axum_websocket::test::{self, Handshake};
    use tower::ServiceExt;

    use super::*;

    async fn cookie(app: &Router) -> String {
        let request = Request::post("/login/ada").body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        let cookie = response.headers()["set-cookie"].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }

    async fn status(app: Router, handshake: impl Into<Handshake>) -> StatusCode {
        let (request, _client) = test::request::<Body>(handshake).await;
        app.oneshot(request).await.unwrap().status()
    }

    #[tokio::test]
    async fn session_is_greeted_by_name() {
        let app = app();
        let handshake = Handshake::new("/ws").header("Cookie", format!("theme=dark; {}", cookie(&app).await));
        test::open(app, handshake).await.expect_text("hello, ada").await;
    }

    #[tokio::test]
    async fn unknown_session_gets_401() {
        assert_eq!(status(app(), "/ws").await, StatusCode::UNAUTHORIZED);
        let handshake = Handshake::new("/ws").header("Cookie", "session=0");
        assert_eq!(status(app(), handshake).await, StatusCode::UNAUTHORIZED);
    }

    #[tokio::test]
    async fn foreign_page_gets_403_with_the_cookie_of_its_visitor() {
        let app = app();
        let handshake = Handshake::new("/ws").header("Cookie", cookie(&app).await);
        assert_eq!(status(app, handshake.header("Origin", "https://evil.example")).await, StatusCode::FORBIDDEN);
    }
}
