//! `rediss:`: connections over TLS to a server that accepts no others.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::time::{Duration, Instant, sleep};
use websocket_hub::test::conformance::check_nodes;
use websocket_hub::{Hub, HubConfig};
use websocket_hub_redis::{RedisBackend, RedisConfig, Streams};
use websocket_tests::chain::chain;
use websocket_tests::free_port::free_port;

use crate::server::Redis;

/// A certificate authority of this test.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key in PEM.
struct Issued {
    certificate: String,
    key: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate"))
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn issue(&self, name: &str) -> Issued {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        // Other than that of the authority, as the certificate would otherwise look self-signed.
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.0).expect("a certificate").pem();
        Issued { certificate, key: key.serialize_pem() }
    }
}

/// Starts a server for `localhost`. Its plain port is closed.
async fn start(authority: &Authority, clients: &str) -> Option<(Redis, u16)> {
    let number = free_port();
    let port = number.to_string();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("redis-tls-{}-{port}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let server = authority.issue("localhost");
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("a file");
        path.into_os_string().into_string().expect("a path of text")
    };
    let certificate = write("server.pem", &server.certificate);
    let (key, roots) = (write("server.key", &server.key), write("authority.pem", &authority.pem()));
    let arguments = [
        ["--tls-port", &port],
        ["--tls-cert-file", &certificate],
        ["--tls-key-file", &key],
        ["--tls-ca-cert-file", &roots],
        ["--tls-auth-clients", clients],
        ["--save", ""],
    ];
    let redis = Redis::start_on(0, &arguments.concat())?;
    let deadline = Instant::now() + Duration::from_secs(20);
    while tokio::net::TcpStream::connect(format!("127.0.0.1:{port}")).await.is_err() {
        assert!(Instant::now() < deadline, "Redis does not start");
        sleep(Duration::from_millis(20)).await;
    }
    // The server has read them.
    std::fs::remove_dir_all(folder).expect("removed");
    Some((redis, number))
}

fn config(host: &str, port: u16) -> RedisConfig {
    RedisConfig::new(format!("rediss://{host}:{port}/")).expect("a URL").timeout(Duration::from_secs(5))
}

/// Connects a node. Returns the text of the error and of its causes.
async fn connect(config: RedisConfig) -> Result<Hub, String> {
    let backend = RedisBackend::new(config).expect("a backend");
    Hub::with_backend(backend, HubConfig::new()).await.map_err(|error| chain(&error))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_over_tls_behave_like_one() {
    let authority = Authority::new("authority");
    let Some((_redis, port)) = start(&authority, "no").await else { return };
    let config = config("localhost", port).root_certificates(authority.pem());
    for config in [config.clone(), config.streams(Streams::new(1000))] {
        check_nodes(async || RedisBackend::new(config.clone()).expect("a backend")).await;
    }
}

#[tokio::test]
async fn server_of_another_authority_is_refused() {
    let authority = Authority::new("authority");
    let Some((_redis, port)) = start(&authority, "no").await else { return };
    // By default, the authorities of the operating system are trusted.
    let config = config("localhost", port);
    for config in [config.clone(), config.root_certificates(Authority::new("another").pem())] {
        let refused = connect(config).await.expect_err("an unknown authority");
        assert!(refused.contains("UnknownIssuer"), "{refused}");
    }
}

#[tokio::test]
async fn server_of_another_name_is_refused() {
    let authority = Authority::new("authority");
    let Some((_redis, port)) = start(&authority, "no").await else { return };
    let config = config("127.0.0.1", port);
    let refused = connect(config.root_certificates(authority.pem())).await.expect_err("another name");
    assert!(refused.contains("not valid for name"), "{refused}");
}

#[tokio::test]
async fn node_presents_its_certificate() {
    let authority = Authority::new("authority");
    let Some((_redis, port)) = start(&authority, "yes").await else { return };
    let config = config("localhost", port).root_certificates(authority.pem());
    assert!(connect(config.clone()).await.is_err(), "a node without a certificate is connected");
    let node = authority.issue("node");
    connect(config.client_certificate(node.certificate, node.key)).await.expect("a node");
}

#[test]
fn certificates_without_tls_are_refused() {
    let config = RedisConfig::new("redis://localhost").expect("a URL");
    assert!(RedisBackend::new(config.root_certificates(Authority::new("another").pem())).is_err());
    let config = RedisConfig::new("rediss://localhost").expect("a URL");
    assert!(RedisBackend::new(config.clone().client_certificate("no PEM", "no PEM")).is_err());
    assert!(RedisBackend::new(config.root_certificates("no PEM")).is_err());
}
