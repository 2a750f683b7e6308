use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::subscriber::Subscriber;
use crate::error::TooManyConnections;
use crate::sync::lock;

/// The members of this node that have joined as a user.
#[derive(Debug, Default)]
pub(crate) struct Users(Mutex<HashMap<Arc<str>, Vec<Arc<Subscriber>>>>);

impl Users {
    /// Adds a member, unless the user has reached the limit. Returns the shared name of the user.
    pub(crate) fn enter(
        &self,
        user: &str,
        subscriber: &Arc<Subscriber>,
        limit: Option<usize>,
    ) -> Result<Arc<str>, TooManyConnections> {
        let mut users = lock(&self.0);
        let (name, number) = match users.get_key_value(user) {
            Some((name, members)) => (name.clone(), members.len()),
            None => (Arc::from(user), 0),
        };
        if let Some(limit) = limit.filter(|&limit| number >= limit) {
            return Err(TooManyConnections { limit });
        }
        users.entry(name.clone()).or_default().push(subscriber.clone());
        Ok(name)
    }

    /// Removes a member.
    pub(crate) fn leave(&self, user: &str, subscriber: &Arc<Subscriber>) {
        let mut users = lock(&self.0);
        if let Some(members) = users.get_mut(user) {
            members.retain(|member| !Arc::ptr_eq(member, subscriber));
            if members.is_empty() {
                users.remove(user);
            }
        }
    }

    /// Returns the members of a user.
    pub(crate) fn members(&self, user: &str) -> Vec<Arc<Subscriber>> {
        lock(&self.0).get(user).cloned().unwrap_or_default()
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }
}
