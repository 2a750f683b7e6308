//! The errors of the hub and its backends.

use bytes::Bytes;
use websocket_driver::SendError;

use super::{Checked, broken_pipe};

pub(super) fn all() -> impl Iterator<Item = Vec<Checked>> {
    [hub(), hub_redis(), hub_nats()].into_iter()
}

fn hub() -> Vec<Checked> {
    use websocket_hub::HubDropped;
    use websocket_hub::backend::Publication;
    use websocket_hub::{
        BackendError, CatchUpError, DisconnectError, Position, PublishError, SubscribeError, TopicError,
    };

    let backend = || BackendError::new(broken_pipe());
    let invalid = || std::sync::Arc::new(SendError::ReasonTooLong);
    checked! {
        TopicError::Empty = TopicError::Empty;
        TopicError::TooLong = TopicError::TooLong { len: 300, limit: 255 };
        PublishError::Topic = PublishError::Topic(TopicError::Empty), because TopicError::Empty;
        PublishError::Backend = PublishError::Backend(backend()), because backend();
        SubscribeError::Topic = SubscribeError::Topic(TopicError::Empty), because TopicError::Empty;
        SubscribeError::AlreadySubscribed = SubscribeError::AlreadySubscribed;
        SubscribeError::TooManyTopics = SubscribeError::TooManyTopics(1);
        SubscribeError::HubFull = SubscribeError::HubFull(1);
        SubscribeError::Closed = SubscribeError::Closed;
        SubscribeError::Backend = SubscribeError::Backend(backend()), because backend();
        DisconnectError::Close = DisconnectError::Close(invalid()), because SendError::ReasonTooLong;
        DisconnectError::Backend = DisconnectError::Backend(backend()), because backend();
        TooManyConnections = too_many_connections();
        CatchUpError::History = CatchUpError::History(backend()), because backend();
        CatchUpError::HubDropped = CatchUpError::HubDropped(HubDropped);
        HubDropped = HubDropped;
        ParsePositionError = "".parse::<Position>().expect_err("no position");
        DecodeError = Publication::from_bytes(&Bytes::new()).expect_err("no publication");
    }
}

fn hub_redis() -> Vec<Checked> {
    use redis::{IntoConnectionInfo, RedisError};
    use websocket_hub_redis::{RedisBackend, RedisBackendError, RedisConfig};

    let io = || RedisError::from(broken_pipe());
    let with_roots = |url: &str| RedisBackend::new(RedisConfig::new(url).expect("a URL").root_certificates("no PEM"));
    checked! {
        InvalidUrl = RedisConfig::new("http://localhost").expect_err("no URL of Redis"),
            because "http://localhost".into_connection_info().expect_err("no URL of Redis");
        InvalidTls = with_roots("rediss://localhost").expect_err("no certificates"),
            because RedisError::from((redis::ErrorKind::InvalidClientConfig, "no trust anchors"));
        RedisBackendError::Connect = RedisBackendError::Connect(io()), because io();
        RedisBackendError::Command = RedisBackendError::Command(io()), because io();
        RedisBackendError::Disconnected = RedisBackendError::Disconnected;
        RedisBackendError::UnexpectedReply = RedisBackendError::UnexpectedReply;
        RedisBackendError::SilentNodes = RedisBackendError::SilentNodes { answered: 1, nodes: 2 };
    }
}

fn hub_nats() -> Vec<Checked> {
    use async_nats::client::{PublishErrorKind, SubscribeErrorKind};
    use async_nats::{ConnectErrorKind, PublishError, SubscribeError};
    use websocket_hub_nats::{ConfigError, NatsBackendError};

    let connect = || async_nats::ConnectError::with_source(ConnectErrorKind::Io, broken_pipe());
    let publish = || PublishError::new(PublishErrorKind::MaxPayloadExceeded);
    let subscribe = || SubscribeError::new(SubscribeErrorKind::InvalidSubject);
    checked! {
        ConfigError::Address = ConfigError::Address(broken_pipe()), because broken_pipe();
        ConfigError::NoAddress = ConfigError::NoAddress;
        NatsBackendError::Connect = NatsBackendError::Connect(connect()), because connect();
        NatsBackendError::Prefix = NatsBackendError::Prefix;
        NatsBackendError::AlreadyStarted = NatsBackendError::AlreadyStarted;
        NatsBackendError::NotRunning = NatsBackendError::NotRunning;
        NatsBackendError::TopicTooLong = NatsBackendError::TopicTooLong { len: 4000, limit: 3072 };
        NatsBackendError::Publish = NatsBackendError::Publish(publish()), because publish();
        NatsBackendError::Subscribe = NatsBackendError::Subscribe(subscribe()), because subscribe();
        NatsBackendError::Disconnected = NatsBackendError::Disconnected;
        NatsBackendError::TimedOut = NatsBackendError::TimedOut(std::time::Duration::from_secs(5));
    }
}

fn too_many_connections() -> websocket_hub::TooManyConnections {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let hub = websocket_hub::Hub::new(websocket_hub::HubConfig::new().max_members_per_user(0));
        let (socket, _peer) = tower_websocket::test::server("/", tower_websocket::Config::server()).await;
        hub.join_as(socket.sender(), "user").expect_err("nobody may join")
    })
}
