//! Connects to a host with several addresses over TCP (RFC 8305).

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// The "Connection Attempt Delay" that RFC 8305 §8 recommends.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Resolves the host, and connects to the first of its addresses that accepts.
///
/// # Cancel safety
///
/// Dropping the future drops all attempts.
pub(super) async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    connect_any(interleave(lookup_host((host, port)).await?), TcpStream::connect).await
}

/// Orders addresses as in RFC 8305 §4: alternating families, starting with that of the first
/// address.
fn interleave(addresses: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut addresses = addresses.peekable();
    let begins_with_ipv6 = addresses.peek().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses.partition(|address| address.is_ipv6() == begins_with_ipv6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut ordered = Vec::with_capacity(first.len() + second.len());
    while first.len() + second.len() > 0 {
        ordered.extend(first.next());
        ordered.extend(second.next());
    }
    ordered
}

/// Tries the addresses in turn, the next one when an attempt fails or takes too long (RFC 8305 §5).
/// Attempts in progress continue, and the first to succeed is used. If none does, returns the first
/// error.
async fn connect_any<T, F>(addresses: Vec<SocketAddr>, connect: impl Fn(SocketAddr) -> F) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let mut remaining = addresses.into_iter();
    let mut attempts: Vec<Pin<Box<F>>> = Vec::new();
    let mut first_error = None;
    loop {
        match remaining.next() {
            Some(address) => attempts.push(Box::pin(connect(address))),
            None if attempts.is_empty() => {
                let none = || io::Error::new(io::ErrorKind::NotFound, "host has no addresses");
                return Err(first_error.unwrap_or_else(none));
            }
            None => {}
        }
        let next = poll_fn(|cx| poll_any(&mut attempts, cx));
        let finished = if remaining.len() > 0 { timeout(ATTEMPT_DELAY, next).await.ok() } else { Some(next.await) };
        match finished {
            Some(Ok(connected)) => return Ok(connected),
            Some(Err(error)) => _ = first_error.get_or_insert(error),
            None => {}
        }
    }
}

/// Polls all attempts, and removes the one that has completed.
fn poll_any<F: Future>(attempts: &mut Vec<Pin<Box<F>>>, cx: &mut Context<'_>) -> Poll<F::Output> {
    for at in 0..attempts.len() {
        if let Poll::Ready(output) = attempts[at].as_mut().poll(cx) {
            drop(attempts.swap_remove(at));
            return Poll::Ready(output);
        }
    }
    Poll::Pending
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::pending;

    use tokio::time::{Instant, sleep};

    use super::*;

    /// The result of an attempt after a number of milliseconds.
    #[derive(Clone, Copy)]
    enum Answer {
        Accepts(u64),
        Refuses(u64),
        /// Packets are dropped.
        Drops,
    }
    use Answer::{Accepts, Drops, Refuses};

    fn addresses(count: usize) -> Vec<SocketAddr> {
        (0..count).map(|number| SocketAddr::from(([192, 0, 2, number as u8], 80))).collect()
    }

    /// Connects to hosts with these answers. Returns which one has accepted or the error, the
    /// elapsed time, and the start of each attempt.
    async fn connected(answers: &[Answer]) -> (Result<u8, String>, u128, Vec<u128>) {
        let begin = Instant::now();
        let begun = RefCell::new(Vec::new());
        let attempt = |address: SocketAddr| {
            begun.borrow_mut().push(begin.elapsed().as_millis());
            let SocketAddr::V4(address) = address else { unreachable!() };
            let number = address.ip().octets()[3];
            let answer = answers[usize::from(number)];
            async move {
                match answer {
                    Accepts(delay) => {
                        sleep(Duration::from_millis(delay)).await;
                        Ok(number)
                    }
                    Refuses(delay) => {
                        sleep(Duration::from_millis(delay)).await;
                        Err(io::Error::other(number.to_string()))
                    }
                    Drops => pending().await,
                }
            }
        };
        let connected = connect_any(addresses(answers.len()), attempt).await.map_err(|error| error.to_string());
        (connected, begin.elapsed().as_millis(), begun.take())
    }

    #[tokio::test(start_paused = true)]
    async fn address_that_drops_packets_does_not_keep_the_next_from_being_tried() {
        assert_eq!(connected(&[Accepts(10)]).await, (Ok(0), 10, vec![0]));
        assert_eq!(connected(&[Drops, Accepts(10), Accepts(0)]).await, (Ok(1), 260, vec![0, 250]));
        assert_eq!(connected(&[Drops, Drops, Drops, Accepts(5)]).await, (Ok(3), 755, vec![0, 250, 500, 750]));
        // A slow attempt continues, and may be the first to succeed.
        assert_eq!(connected(&[Accepts(300), Accepts(100)]).await, (Ok(0), 300, vec![0, 250]));
        assert_eq!(connected(&[Accepts(300), Drops, Drops]).await, (Ok(0), 300, vec![0, 250]));
    }

    #[tokio::test(start_paused = true)]
    async fn address_that_refuses_is_followed_at_once_and_the_first_error_is_returned() {
        assert_eq!(connected(&[Refuses(1), Accepts(1)]).await, (Ok(1), 2, vec![0, 1]));
        assert_eq!(connected(&[Drops, Refuses(10), Accepts(1)]).await, (Ok(2), 261, vec![0, 250, 260]));
        assert_eq!(connected(&[Refuses(400), Refuses(1)]).await, (Err("1".to_owned()), 400, vec![0, 250]));
        assert_eq!(connected(&[Refuses(1), Refuses(1)]).await, (Err("0".to_owned()), 2, vec![0, 1]));
        assert_eq!(connected(&[]).await, (Err("host has no addresses".to_owned()), 0, vec![]));
    }

    #[test]
    fn address_families_take_turns() {
        let parse =
            |text: &str| text.split(' ').map(|text| text.parse().expect("an address")).collect::<Vec<SocketAddr>>();
        let rows = [
            ("[::1]:1 [::2]:1 [::3]:1 1.0.0.1:1 1.0.0.2:1", "[::1]:1 1.0.0.1:1 [::2]:1 1.0.0.2:1 [::3]:1"),
            ("1.0.0.1:1 [::1]:1 [::2]:1", "1.0.0.1:1 [::1]:1 [::2]:1"),
            ("1.0.0.1:1 1.0.0.2:1", "1.0.0.1:1 1.0.0.2:1"),
        ];
        for (given, expected) in rows {
            assert_eq!(interleave(parse(given).into_iter()), parse(expected), "{given}");
        }
        assert!(interleave([].into_iter()).is_empty());
    }
}
