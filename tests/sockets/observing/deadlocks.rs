//! Handlers and observers that send to sockets, possibly their own.

use std::sync::{Arc, Mutex};

use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tower_websocket::observe::{ConnectionObserver, ConnectionOpened, Observer, Traffic};
use tower_websocket::{CloseCause, Config, Version, WebSocketSender};

use crate::pair::over_tcp;
use crate::run::run;

/// Sends to a socket, possibly its own, at each notification.
#[derive(Clone, Default)]
struct Sending(Arc<Mutex<Vec<WebSocketSender<TcpStream>>>>);

impl Sending {
    fn send(&self) {
        let senders = self.0.lock().unwrap().clone();
        for sender in senders {
            let _ = sender.try_send("observed");
        }
    }
}

impl Observer for Sending {
    fn opened(&self, _: &ConnectionOpened<'_>) -> Box<dyn ConnectionObserver> {
        Box::new(self.clone())
    }
}

impl ConnectionObserver for Sending {
    fn passed(&mut self, traffic: &Traffic) {
        // Its own messages are reported as well.
        if traffic.messages_received > 0 {
            self.send();
        }
    }

    fn closed(&mut self, _: &CloseCause) {
        self.send();
    }
}

/// Each on a separate thread, so that both hold their state at the same time.
#[test]
fn handlers_and_observers_that_send_to_each_other_do_not_deadlock() {
    const MESSAGES: usize = 300;
    run(async || {
        let observer = Sending::default();
        let config = Config::server().observer(observer.clone());
        let (one, mut client_of_one) = over_tcp(Version::Hybi13, config.clone()).await;
        let (two, mut client_of_two) = over_tcp(Version::Hybi13, config).await;
        observer.0.lock().unwrap().extend([one.sender(), two.sender()]);
        let senders = [one.sender(), two.sender()];
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let servers = [one, two].map(|mut socket| {
            let senders = senders.clone();
            runtime.spawn(async move {
                let handled = socket.for_each_borrowed(|_, replies| {
                    for sender in &senders {
                        let _ = sender.try_send("handled");
                    }
                    let _ = replies.send("reply");
                });
                let _ = handled.await;
            })
        });
        let texts = vec!["hello"; MESSAGES];
        let clients = [&mut client_of_one, &mut client_of_two].map(|client| {
            let texts = &texts;
            async move {
                for text in texts {
                    client.send(&[text]).await;
                }
                let mut replies = 0;
                while replies < MESSAGES {
                    replies += usize::from(client.text().await == "reply");
                }
            }
        });
        futures_util::future::join_all(clients).await;
        drop((client_of_one, client_of_two));
        for server in servers {
            server.await.unwrap();
        }
        runtime.shutdown_background();
    });
}
