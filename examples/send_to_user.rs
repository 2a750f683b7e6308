//! Messages to one user, from an ordinary HTTP handler: `POST /notify/ada` reaches every tab that
//! ada has open.
//!
//! ```text
//! cargo run --example send_to_user
//! cargo run --example wsx -- ws://127.0.0.1:3000/ws/ada
//! curl -d 'your order is ready' http://127.0.0.1:3000/notify/ada
//! ```

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{any, post};
use axum_websocket::{CloseCode, WebSocket, WebSocketUpgrade};
use websocket_hub::{Hub, HubConfig};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}/", listener.local_addr()?);
    axum::serve(listener, app()).await
}

fn app() -> Router {
    Router::new()
        .route("/ws/{user}", any(connect))
        .route("/notify/{user}", post(notify))
        .with_state(Hub::new(HubConfig::new()))
}

/// A real server takes the user from the session: see the example `auth_cookie`.
async fn connect(ws: WebSocketUpgrade, State(hub): State<Hub>, Path(user): Path<String>) -> Response {
    ws.on_upgrade(|socket| serve(socket, hub, user))
}

async fn serve(mut socket: WebSocket, hub: Hub, user: String) {
    // The member leaves when it is dropped.
    let Ok(_member) = hub.join_as(socket.sender(), &user) else {
        let _ = socket.close(CloseCode::POLICY_VIOLATION, "too many connections").await;
        return;
    };
    while let Some(Ok(message)) = socket.recv().await {
        println!("{user}: {message:?}");
    }
}

async fn notify(State(hub): State<Hub>, Path(user): Path<String>, text: String) -> StatusCode {
    match hub.send_to_user(&user, text).await {
        Ok(()) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::Body;
    use axum::http::Request;
    use axum_websocket::test;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn message_reaches_all_connections_of_the_user_and_no_others() {
        let app = app();
        let mut ada = test::open(app.clone(), "/ws/ada").await;
        let mut ada_too = test::open(app.clone(), "/ws/ada").await;
        let mut bob = test::open(app.clone(), "/ws/bob").await;
        // The handlers join in separate tasks.
        tokio::time::sleep(Duration::from_millis(10)).await;

        let request = Request::post("/notify/ada").body(Body::from("your order is ready")).unwrap();
        assert_eq!(app.oneshot(request).await.unwrap().status(), StatusCode::ACCEPTED);
        ada.expect_text("your order is ready").await;
        ada_too.expect_text("your order is ready").await;
        bob.expect_nothing(Duration::from_secs(1)).await;
    }
}
