//! The extractor of tokens.

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::any;
use axum::{Extension, Router};
use axum_websocket::rejection::TokenRejection;
use axum_websocket::{Token, TokenSources, WebSocketUpgrade};
use http::StatusCode;
use tower_websocket::client::{Connect, ConnectError};
use tower_websocket::error::ProtocolError;
use tower_websocket::{connect, test};

use crate::run::run_paused;

/// Accepts one token, and knows another that is not allowed to chat.
async fn handler(ws: WebSocketUpgrade, token: Token) -> Result<Response, TokenRejection> {
    match token.as_str() {
        "a-b._~+/9==" | "secret" | "séc ret" => Ok(ws.protocols(["chat"]).on_upgrade(|mut socket| async move {
            let _ = socket.send(token.as_str()).await;
        })),
        "guest" => Err(TokenRejection::Forbidden),
        _ => Err(TokenRejection::Invalid),
    }
}

/// Returns the accepted token, or the status and challenge of the rejection.
async fn ask(
    sources: Option<TokenSources>,
    path: &str,
    ask: impl FnOnce(Connect) -> Connect,
) -> Result<String, (u16, String)> {
    let mut app = Router::new().fallback(any(handler));
    if let Some(sources) = sources {
        app = app.layer(Extension(sources));
    }
    let connecting = ask(connect(format!("ws://localhost{path}"))).over(test::serve(app)).await;
    match connecting {
        Ok((mut socket, response)) => {
            // The token is not repeated.
            assert!(!format!("{response:?}").contains("secret"));
            Ok(socket.recv().await.unwrap().unwrap().to_text().unwrap().to_owned())
        }
        Err(ConnectError::Refused(ProtocolError::Response(refused))) => {
            let challenge = refused.headers["www-authenticate"].to_str().unwrap().to_owned();
            assert!(!refused.body.is_empty());
            Err((refused.status.unwrap().as_u16(), challenge))
        }
        Err(error) => panic!("{error:?}"),
    }
}

/// Extracts the token from a request with these header lines.
async fn extract(sources: TokenSources, lines: &[(&str, &str)]) -> Result<Token, TokenRejection> {
    let mut request = http::Request::builder();
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    let (mut parts, ()) = request.extension(sources).body(()).unwrap().into_parts();
    let token = Token::from_request_parts(&mut parts, &()).await;
    assert!(!format!("{token:?}").contains('x'), "it is secret");
    token
}

fn refused(status: u16, challenge: &str) -> Result<String, (u16, String)> {
    Err((status, challenge.to_owned()))
}

const MALFORMED: &str = r#"Bearer error="invalid_request""#;
const INVALID: &str = r#"Bearer error="invalid_token""#;

#[test]
fn bearer_token_is_taken_from_authorization() {
    run_paused(async || {
        for (value, expected) in [
            ("Bearer secret", Ok("secret".into())),
            ("bearer   secret ", Ok("secret".into())),
            ("Bearer a-b._~+/9==", Ok("a-b._~+/9==".into())),
            ("Bearer other", refused(401, INVALID)),
            ("Bearer guest", refused(403, r#"Bearer error="insufficient_scope""#)),
            ("Basic c2VjcmV0", refused(401, "Bearer")),
            ("Bearersecret", refused(401, "Bearer")),
            ("Bearer", refused(400, MALFORMED)),
            ("Bearer ==", refused(400, MALFORMED)),
            ("Bearer sec=ret", refused(400, MALFORMED)),
            ("Bearer two tokens", refused(400, MALFORMED)),
            ("Bearer \"secret\"", refused(400, MALFORMED)),
        ] {
            let answer = ask(None, "/", |connect| connect.header("authorization", value)).await;
            assert_eq!(answer, expected, "{value}");
        }
        assert_eq!(ask(None, "/", |connect| connect).await, refused(401, "Bearer"));
        let twice = extract(TokenSources::new(), &[("authorization", "Bearer a"), ("authorization", "Bearer a")]).await;
        assert_eq!(twice, Err(TokenRejection::Malformed));
    });
}

#[test]
fn only_the_chosen_places_are_looked_at() {
    run_paused(async || {
        let everywhere =
            |connect: Connect| connect.protocols(["chat", "bearer.secret"]).header("cookie", "session=secret");
        assert_eq!(ask(None, "/?token=secret", everywhere).await, refused(401, "Bearer"));
        for sources in [
            TokenSources::new().subprotocol("bearer."),
            TokenSources::new().query("token"),
            TokenSources::new().cookie("session"),
        ] {
            assert_eq!(ask(Some(sources), "/?token=secret", everywhere).await, Ok("secret".into()));
        }
    });
}

#[test]
fn token_in_a_subprotocol_is_not_agreed_to() {
    run_paused(async || {
        let sources = || Some(TokenSources::new().subprotocol("bearer."));
        for (offered, expected) in [
            (&["chat", "bearer.secret"][..], Ok("secret".into())),
            (&["bearer.secret", "chat"], Ok("secret".into())),
            (&["chat", "bearer.other"], refused(401, INVALID)),
            (&["chat", "bearer."], refused(401, "Bearer")),
            (&["chat", "Bearer.secret"], refused(401, "Bearer")),
            (&["bearer.secret", "bearer.guest"], refused(400, MALFORMED)),
        ] {
            let answer = ask(sources(), "/", |connect| connect.protocols(offered.iter().copied())).await;
            assert_eq!(answer, expected, "{offered:?}");
        }
    });
}

#[test]
fn token_in_the_query_is_decoded() {
    run_paused(async || {
        let sources = || Some(TokenSources::new().query("access token"));
        for (path, expected) in [
            ("/?access+token=secret", Ok("secret".into())),
            ("/?a=b&access%20token=s%C3%A9c+ret", Ok("séc ret".into())),
            ("/?access+token=other", refused(401, INVALID)),
            ("/?access+token=", refused(401, "Bearer")),
            ("/?access+token", refused(401, "Bearer")),
            ("/?Access+token=secret", refused(401, "Bearer")),
            ("/?access+token=secret&access+token=guest", refused(400, MALFORMED)),
        ] {
            assert_eq!(ask(sources(), path, |connect| connect).await, expected, "{path}");
        }
    });
}

#[test]
fn token_in_a_cookie_is_found_among_others() {
    run_paused(async || {
        let sources = || Some(TokenSources::new().cookie("__Host-session"));
        for (cookies, expected) in [
            (&["__Host-session=secret"][..], Ok("secret".into())),
            (&["a=b; __Host-session=secret; c=d"], Ok("secret".into())),
            (&["__Host-session=\"secret\""], Ok("secret".into())),
            (&["__Host-session=a=b"], refused(401, INVALID)),
            (&["__Host-session="], refused(401, "Bearer")),
            (&["__Host-session=\"\""], refused(401, "Bearer")),
            (&["x__Host-session=secret; __Host-session"], refused(401, "Bearer")),
            (&["__Host-session=secret; __Host-session=guest"], refused(400, MALFORMED)),
        ] {
            let answer = ask(sources(), "/", |connect| {
                cookies.iter().fold(connect, |connect, line| connect.header("cookie", *line))
            });
            assert_eq!(answer.await, expected, "{cookies:?}");
        }
        // HTTP/2 splits cookies over lines (RFC 9113 §8.2.3).
        let lines = [("cookie", "a=b"), ("cookie", "__Host-session=x"), ("cookie", "c=d")];
        assert_eq!(extract(sources().unwrap(), &lines).await.unwrap().as_str(), "x");
    });
}

#[test]
fn explicit_token_comes_before_a_cookie() {
    run_paused(async || {
        let sources = TokenSources::new().subprotocol("bearer.").query("token").cookie("session");
        let answer = ask(Some(sources.clone()), "/?token=secret", |connect| connect.header("cookie", "session=guest"));
        assert_eq!(answer.await, Ok("secret".into()));
        let both =
            |connect: Connect| connect.header("authorization", "Bearer secret").protocols(["chat", "bearer.guest"]);
        assert_eq!(ask(Some(sources), "/?token=guest", both).await, Ok("secret".into()));
    });
}

#[test]
fn rejection_is_in_the_extensions_for_outer_layers() {
    async fn check(State(expected): State<TokenRejection>, request: Request, next: Next) -> Response {
        let response = next.run(request).await;
        assert_eq!(response.extensions().get(), Some(&expected));
        assert_eq!(response.status(), expected.status());
        response
    }
    run_paused(async || {
        for (value, expected) in [
            ("Basic x", TokenRejection::Missing),
            ("Bearer", TokenRejection::Malformed),
            ("Bearer x", TokenRejection::Invalid),
            ("Bearer guest", TokenRejection::Forbidden),
        ] {
            let check = from_fn(move |request: Request, next: Next| check(State(expected), request, next));
            let app = Router::new().fallback(any(handler)).layer(check);
            let refused = connect("ws://localhost").header("authorization", value).over(test::serve(app)).await;
            assert!(matches!(refused, Err(ConnectError::Refused(_))));
        }
        assert_eq!(TokenRejection::Forbidden.status(), StatusCode::FORBIDDEN);
    });
}
