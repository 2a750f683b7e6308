//! The baseline: a TCP echo. It answers every handshake with a fixed response, and then writes back
//! what it reads, masks included. Its cost is that of the kernel and tokio.

use std::cell::RefCell;
use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use websocket_bench::baseline::{BUFFER_SIZE, handshake};
use websocket_bench::server::{self, Mode, Options};

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER_SIZE]);
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::read();
    match options.mode {
        // Compressed messages are echoed like any others.
        Mode::Plain | Mode::Deflate | Mode::Takeover => server::run(&options, |listener| {
            server::connections(listener, async |stream| {
                let _ = echo(stream).await;
            })
        }),
        Mode::Broadcast => server::run(&options, |listener| {
            let room = Arc::new(Mutex::new(Vec::new()));
            server::connections(listener, move |stream| {
                let room = room.clone();
                async move {
                    let _ = broadcast(stream, &room).await;
                }
            })
        }),
        mode => mode.refuse(),
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    handshake(&mut stream).await?;
    loop {
        stream.readable().await?;
        let turn = BUFFER.with_borrow_mut(|buffer| {
            let read = stream.try_read(buffer)?;
            let written = written(stream.try_write(&buffer[..read]))?;
            Ok::<_, io::Error>((read, buffer[written..read].to_vec()))
        });
        match turn {
            Ok((0, _)) => return Ok(()),
            // Empty unless the socket was full.
            Ok((_, rest)) => stream.write_all(&rest).await?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes the data of one connection to all of them. The load generator sends nothing until all
/// have received the previous batch, so no socket is ever full.
async fn broadcast(mut stream: TcpStream, room: &Mutex<Vec<Arc<TcpStream>>>) -> io::Result<()> {
    handshake(&mut stream).await?;
    let stream = Arc::new(stream);
    room.lock().unwrap_or_else(PoisonError::into_inner).push(stream.clone());
    loop {
        stream.readable().await?;
        let ended = BUFFER.with_borrow_mut(|buffer| {
            let read = match stream.try_read(buffer) {
                Ok(read) => read,
                Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
            };
            let mut room = room.lock().unwrap_or_else(PoisonError::into_inner);
            room.retain(|other| other.try_write(&buffer[..read]).is_ok_and(|written| written == read));
            read == 0
        });
        if ended {
            room.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| !Arc::ptr_eq(other, &stream));
            return Ok(());
        }
    }
}

/// Returns the number of bytes written, which is 0 if the socket is full.
fn written(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}
