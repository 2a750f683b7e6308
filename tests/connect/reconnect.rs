//! Consecutive sessions: the delay between them, and what remains of it if a wait is cancelled.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, timeout};
use tower_websocket::client::{ConnectError, Reconnect};
use tower_websocket::{CloseCode, Config, accept, connect};

use crate::attempts::{Act, Attempts, is_about, is_within, session};
use crate::peer::{echoes, listen};
use crate::run::{run, run_paused};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn first_attempt_is_made_at_once_and_returns_the_response() {
    run_paused(async || {
        let attempts = Attempts::new([Act::Stay]);
        let mut sessions = attempts.reconnect();
        assert!(attempts.times().is_empty(), "nothing is connected before it is asked for");
        let (socket, response) = sessions.next().await.unwrap().unwrap();
        assert_eq!(response.status(), 101);
        assert_eq!(socket.protocol(), None);
        assert_eq!(attempts.times(), [0.0]);
    });
}

#[test]
fn delays_double_up_to_the_maximum_with_random_reduction() {
    run_paused(async || {
        let (mut low, mut high) = (0, 0);
        for _ in 0..30 {
            let attempts = Attempts::new([]);
            let mut sessions = attempts.reconnect().max_attempts(12);
            let error = sessions.next().await.unwrap().unwrap_err();
            assert!(matches!(error, ConnectError::TimedOut));
            let delays = attempts.delays();
            assert_eq!(delays.len(), 11);
            for (delay, whole) in delays.iter().zip([1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60]) {
                let whole = f64::from(whole);
                assert!(is_about(*delay, whole), "{delay} of {whole}: {delays:?}");
                if *delay < whole * 0.75 { low += 1 } else { high += 1 }
            }
        }
        // Of 330 random delays: a hundred on one side is practically certain.
        assert!(low > 100 && high > 100, "{low} short ones, {high} long ones");
    });
}

#[test]
fn delays_can_be_configured() {
    run_paused(async || {
        for (shortest, longest, wholes) in [
            (Duration::from_millis(100), secs(1), [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]),
            (secs(10), secs(15), [10.0, 15.0, 15.0, 15.0, 15.0, 15.0]),
            (secs(5), secs(5), [5.0; 6]),
            // The maximum is respected.
            (secs(5), secs(1), [1.0; 6]),
            (Duration::ZERO, Duration::ZERO, [0.0; 6]),
            (Duration::ZERO, secs(1), [0.0; 6]),
        ] {
            let attempts = Attempts::new([]);
            let mut sessions = attempts.reconnect().delays(shortest..longest).max_attempts(7);
            assert!(sessions.next().await.unwrap().is_err());
            let delays = attempts.delays();
            let fits = delays.iter().zip(wholes).all(|(delay, whole)| is_about(*delay, whole));
            assert!(fits && delays.len() == 6, "{shortest:?} to {longest:?}: {delays:?}");
        }
    });
}

#[test]
fn reconnect_delay_max_never_passes() {
    run_paused(async || {
        for (shortest, longest, attempts_made) in [
            (Duration::MAX, Duration::MAX, 1),
            (secs(u64::MAX - 5), secs(u64::MAX - 1), 1),
            (secs(1), Duration::MAX, 15),
        ] {
            let attempts = Attempts::new([]);
            let mut sessions = attempts.reconnect().delays(shortest..longest);
            assert!(timeout(secs(1 << 14), sessions.next()).await.is_err());
            let made = attempts.times().len();
            assert!(made == attempts_made || made == attempts_made + 1, "{shortest:?} to {longest:?}: {made}");
        }
        // A server that requests the maximum delay.
        let attempts = Attempts::new([Act::Close(secs(1), 1013)]);
        let mut sessions = attempts.reconnect().delays(secs(1)..Duration::MAX);
        session(&mut sessions).await;
        assert!(timeout(secs(1 << 30), sessions.next()).await.is_err());
        assert_eq!(attempts.times().len(), 1);
    });
}

#[test]
fn absent_server_is_retried_at_the_maximum_delay() {
    run_paused(async || {
        let attempts = Attempts::new(vec![Act::Fail; 2000].into_iter().chain([Act::Stay]));
        attempts.reconnect().next().await.unwrap().unwrap();
        assert!(attempts.delays()[6..].iter().all(|delay| is_about(*delay, 60.0)));
    });
}

#[test]
fn long_session_resets_the_delay() {
    run_paused(async || {
        for (lasts, whole) in [(59, 8.0), (61, 1.0), (100_000, 1.0), (0, 8.0)] {
            let attempts = Attempts::new([Act::Fail, Act::Fail, Act::Fail, Act::Break(secs(lasts)), Act::Stay]);
            let mut sessions = attempts.reconnect();
            session(&mut sessions).await;
            sessions.next().await.unwrap().unwrap();
            let delays = attempts.delays();
            let delay = delays[3] - lasts as f64;
            assert!(is_about(delay, whole), "after {lasts} s: {delay} of {whole}");
        }
    });
}

#[test]
fn delays_double_again_after_a_reset() {
    run_paused(async || {
        let acts = [Act::Fail, Act::Fail, Act::Break(secs(100)), Act::Fail, Act::Fail, Act::Fail, Act::Stay];
        let attempts = Attempts::new(acts);
        let mut sessions = attempts.reconnect();
        session(&mut sessions).await;
        sessions.next().await.unwrap().unwrap();
        let delays = attempts.delays();
        for (delay, (before, whole)) in
            delays.iter().zip([(0.0, 1.0), (0.0, 2.0), (100.0, 1.0), (0.0, 2.0), (0.0, 4.0), (0.0, 8.0)])
        {
            assert!(is_about(delay - before, whole), "{delay} of {whole}: {delays:?}");
        }
    });
}

#[test]
fn short_sessions_continue_doubling() {
    run_paused(async || {
        let attempts = Attempts::new(vec![Act::Break(secs(1)); 9]);
        let mut sessions = attempts.reconnect();
        for _ in 0..9 {
            session(&mut sessions).await;
        }
        for (delay, whole) in attempts.delays().iter().zip([1, 2, 4, 8, 16, 32, 60, 60]) {
            assert!(is_about(delay - 1.0, f64::from(whole)), "{delay} of {whole}");
        }
    });
}

#[test]
fn cancelled_wait_continues_in_the_next_call() {
    run_paused(async || {
        for patience in [1, 7, 100, 900] {
            let attempts = Attempts::new([Act::Break(secs(1))]);
            let mut sessions = attempts.reconnect().delays(secs(8)..secs(60));
            session(&mut sessions).await;
            for calls in 0.. {
                assert!(calls < 100_000, "it never comes to the end of a delay");
                assert!(timeout(Duration::from_millis(patience), sessions.next()).await.is_err());
                if attempts.times().len() == 4 {
                    break;
                }
            }
            let delays = attempts.delays();
            for (delay, (before, whole)) in delays.iter().zip([(1.0, 8.0), (0.0, 16.0), (0.0, 32.0)]) {
                assert!(is_about(delay - before, whole), "{patience} ms: {delays:?}");
            }
        }
    });
}

#[test]
fn cancelled_attempt_is_repeated_at_once() {
    run_paused(async || {
        let attempts = Attempts::new([Act::Fail, Act::Hang, Act::Hang, Act::Fail, Act::Stay]);
        let mut sessions = attempts.reconnect();
        for _ in 0..2 {
            assert!(timeout(secs(5), sessions.next()).await.is_err());
        }
        assert!(sessions.next().await.unwrap().is_ok());
        let times = attempts.times();
        assert!(
            is_about(times[1], 1.0) && is_within(times[2], 5.0, 5.0) && is_within(times[3], 10.0, 10.0),
            "{times:?}"
        );
        // A cancelled attempt does not count as failed.
        assert!(is_about(times[4] - times[3], 2.0), "{times:?}");
    });
}

#[test]
fn open_session_is_dropped_before_the_wait() {
    run(async || {
        let (listener, port) = listen().await;
        let mut sessions =
            Reconnect::new(move || connect(format!("ws://127.0.0.1:{port}/"))).delays(secs(3600)..secs(3600));
        let accepted = async { accept(listener.accept().await.unwrap().0, Config::server()).await };
        let (session, accepted) = tokio::join!(sessions.next(), accepted);
        session.unwrap().unwrap();
        let Ok(mut socket) = accepted else { panic!("no WebSocket") };
        let mut next = Box::pin(sessions.next());
        assert!((&mut next).now_or_never().is_none());
        assert!(socket.recv().await.is_none());
        assert_eq!(socket.close_frame().map(|close| close.code), Some(CloseCode::ABNORMAL));
    });
}

#[test]
fn restarted_server_is_reconnected_to() {
    run(async || {
        let (listener, port) = listen().await;
        let address = listener.local_addr().unwrap();
        let server = async {
            let mut listener = Some(listener);
            for _ in 0..3 {
                let Ok(mut socket) = accept(listener.take().unwrap().accept().await.unwrap().0, Config::server()).await
                else {
                    panic!("no WebSocket")
                };
                let message = socket.recv().await.unwrap().unwrap();
                socket.send(message).await.unwrap();
                // Nothing listens, and the connection breaks.
                drop(socket);
                tokio::time::sleep(Duration::from_millis(50)).await;
                listener = Some(tokio::net::TcpListener::bind(address).await.unwrap());
            }
        };
        let client = async {
            let connect = move || connect(format!("ws://127.0.0.1:{port}/"));
            let mut sessions = Reconnect::new(connect).delays(Duration::from_millis(10)..Duration::from_millis(40));
            for _ in 0..3 {
                let (socket, _) = sessions.next().await.unwrap().unwrap();
                echoes(socket, "hello").await;
                while socket.recv().await.is_some() {}
            }
        };
        tokio::join!(client, server);
    });
}

/// For example, to fetch a token.
#[test]
fn connect_closure_may_do_more_and_run_in_another_task() {
    run(async || {
        let (io, other) = tokio::io::duplex(4096);
        tokio::spawn(crate::peer::echo(other, Config::server()));
        let mut io = Some(io);
        let mut sessions = Reconnect::new(move || {
            let io = io.take().expect("one attempt");
            async move {
                tokio::task::yield_now().await;
                connect("ws://example.com/").over(io).await
            }
        });
        let task = tokio::spawn(async move {
            let (socket, _) = sessions.next().await.unwrap().unwrap();
            echoes(socket, "hello").await;
            assert!(format!("{sessions:?}").starts_with("Reconnect"));
        });
        task.await.unwrap();
    });
}

#[test]
fn time_before_the_next_call_counts_as_waiting() {
    run_paused(async || {
        let attempts = Attempts::new([Act::Fail, Act::Stay]);
        let mut sessions = attempts.reconnect().delays(secs(10)..secs(60));
        assert!(timeout(secs(1), sessions.next()).await.is_err());
        tokio::time::sleep(secs(100)).await;
        let begin = Instant::now();
        assert!(sessions.next().await.unwrap().is_ok());
        assert_eq!(begin.elapsed(), Duration::ZERO, "the delay is long over");
    });
}
