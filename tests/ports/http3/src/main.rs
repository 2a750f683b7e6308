//! The HTTP/3 server of `tests/ports/run`: sockets over the streams of h3 and quinn (RFC 9220).
//! Prints the port it listens on, then a line for each socket that has ended.

mod stream;

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use h3::error::Code;
use h3::ext::Protocol;
use h3::server::RequestStream;
use h3_quinn::BidiStream;
use http::{Method, Request, Response};
use permessage_deflate::PermessageDeflate;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::rustls;
use quinn::rustls::pki_types::PrivatePkcs8KeyDer;
use quinn::{Endpoint, Incoming};
use tower_websocket::server::ConnectProtocol;
use tower_websocket::{CloseCode, Config, ServerConfig, answer};

type Failure = Box<dyn Error + Send + Sync>;

async fn serve(incoming: Incoming, config: ServerConfig) -> Result<(), Failure> {
    let mut connection = h3::server::builder()
        // RFC 9220 §3.
        .enable_extended_connect(true)
        .build(h3_quinn::Connection::new(incoming.await?))
        .await?;
    while let Some(resolver) = connection.accept().await? {
        let config = config.clone();
        tokio::spawn(async move {
            let (request, stream) = resolver.resolve_request().await?;
            handle(request, stream, &config).await
        });
    }
    Ok(())
}

async fn handle(
    mut request: Request<()>,
    mut stream: RequestStream<BidiStream<Bytes>, Bytes>,
    config: &ServerConfig,
) -> Result<(), Failure> {
    if request.method() == Method::GET {
        return respond(Response::new("plain HTTP".to_owned()), stream).await;
    }
    if let Some(protocol) = request.extensions().get::<Protocol>() {
        let protocol = ConnectProtocol::new(protocol.as_str().to_owned());
        request.extensions_mut().insert(protocol);
    }
    let (response, pending) = match answer(&request, config) {
        Ok(answered) => answered,
        Err(refusal) => return respond(refusal.to_response(), stream).await,
    };
    stream.send_response(response).await?;
    // h3 keeps what it has read behind the request.
    let mut socket = pending.open(stream::transport(stream), Bytes::new()).await?;
    let mut failure = None;
    if request.uri().path() == "/close" {
        socket.close(CloseCode::from(4001), "closed by the server").await?;
    }
    while let Some(received) = socket.recv().await {
        match received {
            Ok(message) => socket.send(message).await?,
            Err(error) => failure = Some(error),
        }
    }
    let code = socket.close_frame().map(|frame| frame.code);
    println!("{} {code:?} {:?} {failure:?}", request.uri().path(), socket.close_cause());
    Ok(())
}

async fn respond(
    response: Response<String>,
    mut stream: RequestStream<BidiStream<Bytes>, Bytes>,
) -> Result<(), Failure> {
    let (head, body) = response.into_parts();
    stream.send_response(Response::from_parts(head, ())).await?;
    stream.send_data(body.into()).await?;
    // The rest of the request is not needed (RFC 9114 §4.1).
    stream.stop_sending(Code::H3_NO_ERROR);
    Ok(stream.finish().await?)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let identity = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let key = PrivatePkcs8KeyDer::from(identity.signing_key.serialize_der());
    let mut tls = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![identity.cert.der().clone()], key.into())?;
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let quic = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    let endpoint = Endpoint::server(quic, "127.0.0.1:0".parse()?)?;
    println!("{}", endpoint.local_addr()?.port());
    let config = Config::server().protocols(["chat.v2", "chat"]).extension(PermessageDeflate::new())?;
    while let Some(incoming) = endpoint.accept().await {
        tokio::spawn(serve(incoming, config.clone()));
    }
    Ok(())
}
