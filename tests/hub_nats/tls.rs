//! Connections over TLS to a server that demands it.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use websocket_hub::test::conformance::check_nodes;
use websocket_hub::{Hub, HubConfig};
use websocket_hub_nats::{ConnectOptions, Nats};
use websocket_tests::chain::chain;

use crate::server::{Server, free_address};

/// A folder with the certificates of an authority, a server and a node, removed when this is
/// dropped.
struct Certificates(PathBuf);

impl Certificates {
    fn new(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("nats-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, format!("authority of {name}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let certificates = Self(folder);
        let write = |name: &str, pem: String| std::fs::write(certificates.path(name), pem).expect("a file");
        write("authority.pem", authority.pem());
        for (name, subject) in [("server", "localhost"), ("node", "node")] {
            let key = KeyPair::generate().expect("a key");
            let mut params = CertificateParams::new(vec![subject.to_owned()]).expect("a name");
            params.distinguished_name.push(DnType::CommonName, subject);
            write(&format!("{name}.pem"), params.signed_by(&key, &authority).expect("a certificate").pem());
            write(&format!("{name}.key"), key.serialize_pem());
        }
        certificates
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Starts a server for `localhost`, which verifies clients if requested.
    async fn server(&self, verifies: bool) -> Option<Server> {
        let [certificate, key, roots] = ["server.pem", "server.key", "authority.pem"].map(|name| self.path(name));
        let mut arguments = vec!["--tls".to_owned()];
        for (option, path) in [("--tlscert", certificate), ("--tlskey", key), ("--tlscacert", roots)] {
            arguments.extend([option.to_owned(), path.into_os_string().into_string().expect("a path of text")]);
        }
        if verifies {
            arguments.push("--tlsverify".to_owned());
        }
        Server::start_with(free_address(), arguments).await
    }

    /// Returns options that trust only this authority.
    fn trusted(&self) -> ConnectOptions {
        ConnectOptions::new().add_root_certificates(self.path("authority.pem"))
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn backend(server: &Server, host: &str, options: ConnectOptions) -> Nats {
    Nats::new(format!("tls://{host}:{}", server.address.port())).expect("an address").options(options)
}

/// Connects a node. Returns the text of the error and of its causes.
async fn connect(backend: Nats) -> Result<Hub, String> {
    Hub::with_backend(backend, HubConfig::new()).await.map_err(|error| chain(&error))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_over_tls_behave_like_one() {
    let certificates = Certificates::new("nodes");
    let Some(server) = certificates.server(false).await else { return };
    check_nodes(async || backend(&server, "localhost", certificates.trusted())).await;
}

#[tokio::test]
async fn server_of_another_authority_or_name_is_refused() {
    let (certificates, other) = (Certificates::new("refused"), Certificates::new("other"));
    let Some(server) = certificates.server(false).await else { return };
    // By default, the authorities of the operating system are trusted.
    for options in [ConnectOptions::new(), other.trusted()] {
        let refused = connect(backend(&server, "localhost", options)).await.expect_err("an unknown authority");
        assert!(refused.contains("UnknownIssuer"), "{refused}");
    }
    let refused = connect(backend(&server, "127.0.0.1", certificates.trusted())).await.expect_err("another name");
    assert!(refused.contains("not valid for name"), "{refused}");
}

#[tokio::test]
async fn node_presents_its_certificate() {
    let certificates = Certificates::new("verified");
    let Some(server) = certificates.server(true).await else { return };
    let options = certificates.trusted();
    assert!(connect(backend(&server, "localhost", options.clone())).await.is_err(), "a node without a certificate");
    let options = options.add_client_certificate(certificates.path("node.pem"), certificates.path("node.key"));
    connect(backend(&server, "localhost", options)).await.expect("a node");
}
