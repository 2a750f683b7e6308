//! Members that have joined as a user.

use tower_websocket::{CloseCode, Config};
use websocket_hub::{DisconnectError, Hub, HubConfig};

use crate::members::open;

#[tokio::test(start_paused = true)]
async fn message_to_a_user_reaches_all_its_members_and_nobody_else() {
    let hub = Hub::new(HubConfig::new());
    let mut peers = Vec::new();
    for user in ["ann", "ann", "bob"] {
        let (sender, peer, handler) = open(Config::server()).await;
        let member = hub.join_as(sender, user).unwrap();
        assert_eq!(member.user(), Some(user));
        peers.push((member, peer, handler));
    }
    hub.send_to_user("ann", "1").await.unwrap();
    hub.send_to_user("nobody", "2").await.unwrap();
    hub.send_to_user("bob", "3").await.unwrap();
    for ((_, peer, _), expected) in peers.iter_mut().zip(["1", "1", "3"]) {
        peer.expect_text(expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn users_have_a_limit_of_members_until_one_leaves() {
    let hub = Hub::new(HubConfig::new().max_members_per_user(2));
    let mut members = Vec::new();
    let mut kept = Vec::new();
    for user in ["ann", "bob", "ann"] {
        let (sender, peer, _) = open(Config::server()).await;
        members.push(hub.join_as(sender, user).unwrap());
        kept.push(peer);
    }
    let (sender, _peer, _) = open(Config::server()).await;
    let error = hub.join_as(sender.clone(), "ann").unwrap_err();
    assert_eq!(error.to_string(), "too many connections of the user: limit 2");
    assert_eq!(hub.stats().members, 3);
    drop(members.pop());
    members.push(hub.join_as(sender, "ann").unwrap());
    assert_eq!(hub.stats().members, 3);
}

#[tokio::test(start_paused = true)]
async fn disconnecting_a_user_closes_all_its_connections() {
    let hub = Hub::new(HubConfig::new());
    let (sender, mut ann, handler) = open(Config::server()).await;
    let member = hub.join_as(sender, "ann").unwrap();
    let (sender, mut bob, _) = open(Config::server()).await;
    let _bob = hub.join_as(sender, "bob").unwrap();
    let _ = member.subscribe("t", websocket_hub::Subscribe::new()).await.unwrap();
    hub.disconnect_user("ann", CloseCode::POLICY_VIOLATION, "banned").await.unwrap();
    assert_eq!(ann.expect_close(1008).await, "banned");
    ann.send_close(1008, "");
    ann.expect_eof().await;
    handler.await.unwrap();
    assert_eq!(hub.members("t"), 0);
    hub.send_to_user("bob", "still here").await.unwrap();
    bob.expect_text("still here").await;
}

#[tokio::test(start_paused = true)]
async fn invalid_close_frames_are_refused() {
    let hub = Hub::new(HubConfig::new());
    for (code, reason) in [(CloseCode::ABNORMAL, String::new()), (CloseCode::NORMAL, "x".repeat(124))] {
        let refused = hub.disconnect_user("ann", code, &reason).await;
        assert!(matches!(refused, Err(DisconnectError::Close(_))));
    }
}
