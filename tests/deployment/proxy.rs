//! Proxies, each with a configuration of the guide.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};
use tower_websocket::client::TlsConfig;
use websocket_tests::free_port::free_port;

use crate::{guide, server};

/// A running proxy, with a server behind it. Ends when it is dropped, with its files.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    pub(crate) authority: Authority,
    process: Child,
    folder: PathBuf,
}

impl Proxy {
    pub(crate) async fn nginx(change: impl Fn(String) -> String) -> Self {
        Self::start("nginx", guide::block("nginx", 0), |folder, config| {
            // The directives of Debian's that need another user, or folders that are not there.
            let folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .map(|name| format!("{name}_temp_path {}/{name};", folder.display()))
                .join(" ");
            let config = change(config).replace("http {", &format!("http {{ access_log off; {folders}"));
            fs::write(folder.join("config"), config).expect("a file");
            let mut command = Command::new("nginx");
            command.arg("-p").arg(folder).arg("-c").arg(folder.join("config"));
            command
                .arg("-e")
                .arg(folder.join("log"))
                .arg("-g")
                .arg(format!("daemon off; pid {}/pid;", folder.display()));
            command
        })
        .await
    }

    /// The first configuration, or the second, which speaks HTTP/2 to the server.
    pub(crate) async fn haproxy(index: usize, change: impl Fn(String) -> String) -> Self {
        Self::start("haproxy", guide::block("haproxy", index), |folder, config| {
            fs::write(folder.join("config"), change(config)).expect("a file");
            let mut command = Command::new("haproxy");
            command.arg("-db").arg("-f").arg(folder.join("config"));
            command
        })
        .await
    }

    pub(crate) async fn caddy() -> Self {
        Self::start("caddy", guide::block("caddyfile", 0), |folder, config| {
            // It would also listen on ports 80 and 2019.
            let config = format!("{{\n\tauto_https disable_redirects\n\tadmin off\n}}\n\n{config}");
            fs::write(folder.join("config"), config).expect("a file");
            let mut command = Command::new("caddy");
            command.args(["run", "--adapter", "caddyfile", "--config"]).arg(folder.join("config"));
            command.env("HOME", folder).env_remove("XDG_CONFIG_HOME").env_remove("XDG_DATA_HOME");
            command
        })
        .await
    }

    async fn start(name: &str, config: &str, command: impl FnOnce(&Path, String) -> Command) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("websocket-deployment-{}-{name}-{count}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let authority = Authority::new();
        let (certificate, key) = authority.certify();
        fs::write(folder.join("example.com.pem"), &certificate).expect("a file");
        fs::write(folder.join("example.com.key"), &key).expect("a file");
        fs::write(folder.join("example.com.both.pem"), certificate + &key).expect("a file");

        let server = server::start().await;
        let port = free_port();
        let config = replace(config, "127.0.0.1:9001", &format!("127.0.0.1:{server}"));
        let config = replace(&config, "/etc/ssl/example.com", &format!("{}/example.com", folder.display()));
        let config = match name {
            "nginx" => replace(&config, "listen 443", &format!("listen 127.0.0.1:{port}"))
                .replace("server_name example.com", "server_name localhost"),
            "haproxy" => replace(&config, "bind :443", &format!("bind 127.0.0.1:{port}")),
            _ => replace(&config, "example.com {", &format!("localhost:{port} {{")),
        };
        let mut command = command(&folder, config);
        // Debian has most of them there, which is not in every user's path.
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let log = fs::File::create(folder.join("output")).expect("a file");
        let error = log.try_clone().expect("a file");
        let process = command.env("PATH", path).stdin(Stdio::null()).stdout(log).stderr(error).spawn();
        let process = process.unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let mut proxy = Self { port, authority, process, folder };
        proxy.wait().await;
        proxy
    }

    /// Waits until it listens.
    async fn wait(&mut self) {
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            let ended = self.process.try_wait().expect("a process");
            if ended.is_some() || begun.elapsed() > Duration::from_secs(20) {
                let output = fs::read_to_string(self.folder.join("output")).unwrap_or_default();
                panic!("the proxy does not listen ({ended:?}):\n{output}");
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Replaces what must be in the text.
fn replace(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "the guide has no {from:?} in:\n{text}");
    text.replace(from, to)
}

/// Issues the certificate of a proxy.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate"))
    }

    /// Returns what a client trusts that is to trust the proxy.
    pub(crate) fn trusted(&self) -> TlsConfig {
        TlsConfig::with_authorities([self.0.der().clone()]).expect("a certificate")
    }

    /// Returns a certificate for `localhost` and its key, as PEM.
    fn certify(&self) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        (params.signed_by(&key, &self.0).expect("a certificate").pem(), key.serialize_pem())
    }
}
