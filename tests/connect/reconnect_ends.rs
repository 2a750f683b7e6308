//! Consecutive sessions: the delay requested by a server, and what ends the sequence.

use std::time::{Duration, SystemTime};

use http::StatusCode;
use tower_websocket::client::ConnectError;
use tower_websocket::error::ProtocolError;
use tower_websocket::{CloseCode, Error};
use websocket_tests::wire::Frame;

use crate::attempts::{Act, Attempts, is_about, is_within, session};
use crate::peer::{Peer, listen, sample_config, upgraded};
use crate::run::{run, run_paused};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn retry_after(status: u16, value: &str) -> Act {
    Act::Refuse(status, format!("Retry-After: {value}\r\n"))
}

/// Returns the delay after this outcome, not including a session.
async fn delay_after(act: Act) -> f64 {
    let (is_session, lasts) = match &act {
        Act::Close(lasts, _) | Act::Break(lasts) => (true, *lasts),
        _ => (false, Duration::ZERO),
    };
    let attempts = Attempts::new([act, Act::Stay]);
    let mut sessions = attempts.reconnect();
    if is_session {
        session(&mut sessions).await;
    }
    sessions.next().await.expect("another session").expect("no error");
    attempts.delays()[0] - lasts.as_secs_f64()
}

#[test]
fn retry_after_in_seconds_is_respected() {
    run_paused(async || {
        for status in [404, 408, 425, 429, 500, 502, 503, 504, 520, 529] {
            for (value, least) in [("30", 30.0), ("0", 0.0), ("1", 1.0), ("3600", 3600.0), ("3601", 3600.0)] {
                let delay = delay_after(retry_after(status, value)).await;
                assert!(is_within(delay, least + 0.5, least + 1.0), "{status}, {value}: {delay}");
            }
        }
        // An hour at most.
        for value in ["99999999", "18446744073709551615"] {
            let delay = delay_after(retry_after(503, value)).await;
            assert!(is_within(delay, 3600.5, 3601.0), "{value}: {delay}");
        }
    });
}

#[test]
fn retry_after_as_a_date_is_respected() {
    run_paused(async || {
        for (ahead, least) in [(100, 100.0), (3600, 3600.0), (100_000, 3600.0)] {
            let date = httpdate::fmt_http_date(SystemTime::now() + secs(ahead));
            let delay = delay_after(retry_after(503, &date)).await;
            // A date has no fractions of a second, and the test itself takes time.
            assert!(is_within(delay, least + 0.5 - 3.0, least + 1.0), "{date}: {delay}");
        }
    });
}

#[test]
fn invalid_or_past_retry_after_is_ignored() {
    run_paused(async || {
        let past = httpdate::fmt_http_date(SystemTime::now() - secs(100));
        for value in ["soon", "", "-5", "1.5", "5 seconds", "18446744073709551616", "Sun, 06 Nov 1994", &past] {
            let delay = delay_after(retry_after(503, value)).await;
            assert!(is_about(delay, 1.0), "{value}: {delay}");
        }
        assert!(is_about(delay_after(Act::Refuse(503, String::new())).await, 1.0));
    });
}

#[test]
fn retry_after_counts_once() {
    run_paused(async || {
        let attempts = Attempts::new([retry_after(503, "100"), Act::Fail, Act::Stay]);
        attempts.reconnect().next().await.unwrap().unwrap();
        let delays = attempts.delays();
        assert!(is_within(delays[0], 100.5, 101.0) && is_about(delays[1], 2.0), "{delays:?}");
    });
}

/// IANA's registry of close codes: a random delay of 5 to 30 seconds.
#[test]
fn service_restart_adds_5_to_30_seconds() {
    run_paused(async || {
        let (mut low, mut high) = (0, 0);
        for _ in 0..200 {
            let delay = delay_after(Act::Close(secs(1), 1012)).await;
            assert!(is_within(delay, 5.5, 31.0), "{delay}");
            if delay < 18.0 { low += 1 } else { high += 1 }
        }
        assert!(low > 50 && high > 50, "{low} short ones, {high} long ones");
    });
}

#[test]
fn try_again_later_adds_the_maximum_delay() {
    run_paused(async || {
        let delay = delay_after(Act::Close(secs(1), 1013)).await;
        assert!(is_within(delay, 60.5, 61.0), "{delay}");
        let attempts = Attempts::new([Act::Close(secs(1), 1013), Act::Stay]);
        let mut sessions = attempts.reconnect().delays(secs(2)..secs(10));
        session(&mut sessions).await;
        sessions.next().await.unwrap().unwrap();
        assert!(is_within(attempts.delays()[0], 12.0, 13.0), "{:?}", attempts.delays());
    });
}

#[test]
fn other_codes_continue() {
    run_paused(async || {
        for code in [1001, 1011, 1014, 3000, 3999, 4000, 4999] {
            let delay = delay_after(Act::Close(secs(1), code)).await;
            assert!(is_about(delay, 1.0), "{code}: {delay}");
        }
        assert!(is_about(delay_after(Act::Break(secs(1))).await, 1.0));
    });
}

#[test]
fn permanent_codes_end_it() {
    run_paused(async || {
        for code in [1000, 1002, 1003, 1007, 1008, 1009, 1010] {
            let attempts = Attempts::new([Act::Close(secs(1), code), Act::Stay]);
            let mut sessions = attempts.reconnect();
            session(&mut sessions).await;
            for _ in 0..3 {
                assert!(sessions.next().await.is_none(), "{code}");
            }
            assert_eq!(attempts.times(), [0.0], "{code}");
        }
    });
}

#[test]
fn local_normal_close_ends_it() {
    run_paused(async || {
        let attempts = Attempts::new([Act::Close(Duration::ZERO, 1000), Act::Stay]);
        let mut sessions = attempts.reconnect();
        let (socket, _) = sessions.next().await.unwrap().unwrap();
        socket.close(CloseCode::NORMAL, "").await.unwrap();
        assert!(sessions.next().await.is_none());
    });
}

#[test]
fn protocol_violation_by_the_server_ends_it() {
    run(async || {
        let (io, other) = tokio::io::duplex(4096);
        let mut io = Some(io);
        let mut sessions = tower_websocket::client::Reconnect::new(move || {
            let io = io.take().expect("one attempt");
            tower_websocket::connect("ws://example.com/").config(sample_config()).over(io)
        });
        let mut peer = Peer::new(other);
        let server = async {
            peer.head().await;
            peer.write([upgraded("").as_bytes(), &Frame::text("masked").bytes()].concat()).await;
        };
        let (opened, ()) = tokio::join!(sessions.next(), server);
        let (socket, _) = opened.unwrap().unwrap();
        assert!(matches!(socket.recv().await, Some(Err(Error::Protocol(_)))));
        assert!(socket.recv().await.is_none());
        assert!(sessions.next().await.is_none());
    });
}

/// Receives these bytes in a loop that ends at the first error. Returns whether another session
/// follows, and the codes passed to `reconnect_on`.
async fn reconnects_after(bytes: Vec<u8>) -> (bool, Vec<CloseCode>) {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let mut sessions = tower_websocket::client::Reconnect::new(move || {
        let (io, other) = tokio::io::duplex(64 * 1024);
        let (sender, bytes) = (sender.clone(), bytes.clone());
        async move {
            let mut peer = Peer::new(other);
            let config = sample_config().max_message_size(10).max_frame_rate(Some(50));
            let connect = tower_websocket::connect("ws://example.com/").config(config).over(io).into_future();
            let server = async {
                peer.head().await;
                peer.write([upgraded("").as_bytes(), &bytes].concat()).await;
            };
            let (opened, ()) = tokio::join!(connect, server);
            sender.send(peer).unwrap();
            opened
        }
    });
    let (told, mut tells) = tokio::sync::mpsc::unbounded_channel();
    sessions = sessions.reconnect_on(move |close| {
        told.send(close.code).unwrap();
        !matches!(u16::from(close.code), 1000..=1010)
    });
    let (socket, _) = sessions.next().await.unwrap().unwrap();
    // The loop of the README, which does not receive after an error.
    while let Some(Ok(_)) = socket.recv().await {}
    let again = sessions.next().await.is_some();
    drop(receiver.try_recv());
    (again, std::iter::from_fn(|| tells.try_recv().ok()).collect())
}

#[test]
fn reconnect_sees_violation_that_ends_receive_loop() {
    run_paused(async || {
        let text = |text: &[u8]| [&[0x81, text.len() as u8], text].concat();
        let rows = [
            (Frame::text("masked").bytes(), 1002),
            (text(b"\xff"), 1007),
            (text(b"more than ten bytes"), 1009),
            ([0x8a, 0].repeat(60), 1008),
        ];
        for (bytes, code) in rows {
            assert_eq!(reconnects_after(bytes).await, (false, vec![CloseCode::from(code)]), "{code}");
        }
    });
}

#[test]
fn reconnect_asks_after_receive_loop_that_ends_with_io_error() {
    run(async || {
        let (listener, port) = listen().await;
        let (told, mut tells) = tokio::sync::mpsc::unbounded_channel();
        let connect = move || tower_websocket::connect(format!("ws://127.0.0.1:{port}/")).config(sample_config());
        let mut sessions = tower_websocket::client::Reconnect::new(connect);
        sessions = sessions.reconnect_on(move |close| {
            told.send(close.code).unwrap();
            false
        });
        let server = async {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_zero_linger().unwrap();
            let mut peer = Peer::new(stream);
            peer.head().await;
            peer.write(upgraded("")).await;
            peer.bytes(1).await;
        };
        let client = async {
            let (socket, _) = sessions.next().await.unwrap().unwrap();
            socket.send("hello").await.unwrap();
            assert!(matches!(socket.recv().await, Some(Err(Error::Io(_)))));
            assert!(sessions.next().await.is_none());
        };
        tokio::join!(client, server);
        assert_eq!(tells.try_recv().unwrap(), CloseCode::ABNORMAL);
    });
}

#[test]
fn local_close_that_peer_did_not_answer_ends_it() {
    run_paused(async || {
        // The closing handshake was only started, or the transport broke before the answer.
        for wait in [false, true] {
            let attempts = Attempts::new([Act::Break(secs(5)), Act::Stay]);
            let mut sessions = attempts.reconnect();
            let (socket, _) = sessions.next().await.unwrap().unwrap();
            socket.start_close(CloseCode::NORMAL, "").unwrap();
            if wait {
                while socket.recv().await.is_some() {}
                assert_eq!(socket.close_frame().map(|close| close.code), Some(CloseCode::ABNORMAL));
            }
            assert!(sessions.next().await.is_none());
        }
    });
}

#[test]
fn predicate_decides_about_the_close_frame() {
    run_paused(async || {
        let acts = [1000, 1011, 4001, 1002, 4002].map(|code| Act::Close(secs(1), code));
        let attempts = Attempts::new(acts.into_iter().chain([Act::Break(secs(1)), Act::Stay]));
        let (told, mut tells) = tokio::sync::mpsc::unbounded_channel();
        let mut sessions = attempts.reconnect().reconnect_on(move |close| {
            told.send(close.code).unwrap();
            true
        });
        for code in [1000, 1011, 4001, 1002, 4002, 1006] {
            session(&mut sessions).await;
            assert!(tells.try_recv().is_err(), "before the next is asked for");
            let asking = async { drop(tokio::time::timeout(Duration::ZERO, sessions.next()).await) };
            asking.await;
            assert_eq!(tells.try_recv().unwrap(), CloseCode::from(code));
        }
        assert!(sessions.next().await.unwrap().is_ok());
        assert!(tells.try_recv().is_err(), "each once");
    });
}

#[test]
fn predicate_may_refuse_every_close() {
    run_paused(async || {
        for act in [Act::Close(secs(1), 1011), Act::Close(secs(1), 1012), Act::Break(secs(1))] {
            let attempts = Attempts::new([act]);
            let mut sessions = attempts.reconnect().reconnect_on(|_| false);
            session(&mut sessions).await;
            assert!(sessions.next().await.is_none());
            assert!(sessions.next().await.is_none());
            assert_eq!(attempts.times().len(), 1);
        }
        // A session that was not ended was not closed.
        let attempts = Attempts::new([Act::Stay, Act::Stay]);
        let mut sessions = attempts.reconnect().reconnect_on(|_| false);
        sessions.next().await.unwrap().unwrap();
        sessions.next().await.unwrap().unwrap();
    });
}

#[test]
fn permanent_error_is_returned_once() {
    run_paused(async || {
        for (act, made) in [
            (Act::Never, 2),
            (Act::Refuse(401, String::new()), 2),
            (Act::Refuse(404, String::new()), 2),
            (retry_after(302, "5"), 2),
            (Act::Refuse(301, "Location: /\r\n".to_owned()), 2),
        ] {
            let attempts = Attempts::new([Act::Fail, act, Act::Stay]);
            let mut sessions = attempts.reconnect().max_attempts(100);
            let error = sessions.next().await.unwrap().unwrap_err();
            assert!(!error.is_transient(), "{error:?}");
            for _ in 0..3 {
                assert!(sessions.next().await.is_none());
            }
            assert_eq!(attempts.times().len(), made);
            // There was only the first delay.
            assert!(is_about(attempts.times()[1], 1.0));
        }
    });
}

#[test]
fn attempts_in_a_row_are_limited() {
    run_paused(async || {
        for most in 1..5 {
            let attempts = Attempts::new(vec![Act::Refuse(503, String::new()); 10]);
            let mut sessions = attempts.reconnect().max_attempts(most);
            let error = sessions.next().await.unwrap().unwrap_err();
            let ConnectError::Refused(ProtocolError::Response(error)) = error else { panic!("{error:?}") };
            assert_eq!(error.status, Some(StatusCode::SERVICE_UNAVAILABLE), "the error of the last");
            assert!(sessions.next().await.is_none() && sessions.next().await.is_none());
            assert_eq!(attempts.times().len(), most as usize);
            // It is reported at once.
            assert_eq!(attempts.now(), *attempts.times().last().unwrap());
        }
    });
}

#[test]
fn session_resets_the_count_of_attempts() {
    run_paused(async || {
        let broken = || Act::Break(secs(1));
        let acts = [Act::Fail, Act::Fail, broken(), Act::Fail, Act::Fail, broken(), Act::Fail, Act::Fail, Act::Fail];
        let attempts = Attempts::new(acts);
        let mut sessions = attempts.reconnect().max_attempts(3);
        session(&mut sessions).await;
        session(&mut sessions).await;
        assert!(sessions.next().await.unwrap().is_err());
        assert!(sessions.next().await.is_none());
        assert_eq!(attempts.times().len(), 9);
    });
}
