//! What a client says of a user of its own. It lies in the record of each of the user's sessions, since
//! there is no account to ask when a session is refreshed.
//!
//! This room must never be asked about an account.

use super::grant::{Grant, IssueError, Occasion, Subject};
use lacre_keystore::Record;
use serde::{Deserialize, Serialize};

/// The most bytes of it, as it lies in a record: with the longest of everything else that a record has,
/// the record can still be kept ([`MAX_SEALED_RECORD`](lacre_keystore::MAX_SEALED_RECORD)).
pub const MAX_PROFILE: usize = 1792;

/// What a client says of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The name of the client, for services that are told by it whose users they let in.
    #[serde(rename = "c")]
    pub client_name: String,
    /// `email`.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The claim `name`.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `roles`.
    #[serde(rename = "r", default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// `permissions`.
    #[serde(rename = "p", default, skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<String>,
}

/// What is to be said otherwise; `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProfileChange {
    /// Another e-mail; an empty one takes it away.
    pub email: Option<String>,
    /// Another name; an empty one takes it away.
    pub name: Option<String>,
    /// Other roles, instead of all.
    pub roles: Option<Vec<String>>,
    /// Other permissions, instead of all.
    pub permissions: Option<Vec<String>>,
}

impl Profile {
    /// What a client says who asks for a session; `None` where the user is an account.
    pub(super) fn said(grant: &Grant) -> Option<Self> {
        let Occasion::OwnUser {
            client_name, name, ..
        } = &grant.occasion
        else {
            return None;
        };
        let subject = &grant.subject;
        Some(Self {
            client_name: client_name.clone(),
            email: subject.email.clone(),
            name: name.clone(),
            roles: subject.roles.clone(),
            permissions: subject.permissions.clone(),
        })
    }

    /// What a record says; `None` where its user is an account.
    pub(super) fn of(record: &Record) -> Result<Option<Self>, IssueError> {
        let read = |text| serde_json::from_str(text).map_err(|_| IssueError::Seal);
        record.profile.as_deref().map(read).transpose()
    }

    /// As it lies in a record.
    pub(super) fn text(&self) -> Result<String, IssueError> {
        let text = serde_json::to_string(self).map_err(|_| IssueError::Seal)?;
        if text.len() > MAX_PROFILE {
            return Err(IssueError::ProfileTooLong);
        }
        Ok(text)
    }

    /// What goes into the claims of the user whom the client calls so.
    pub(super) fn subject(&self, id: &str) -> Subject {
        Subject {
            id: id.to_owned(),
            email: self.email.clone(),
            name: None,
            roles: self.roles.clone(),
            permissions: self.permissions.clone(),
        }
    }

    fn changed(self, change: &ProfileChange) -> Self {
        let text = |new: &Option<String>, old| match new {
            Some(new) => Some(new.clone()).filter(|text| !text.is_empty()),
            None => old,
        };
        Self {
            email: text(&change.email, self.email),
            name: text(&change.name, self.name),
            roles: change.roles.clone().unwrap_or(self.roles),
            permissions: change.permissions.clone().unwrap_or(self.permissions),
            client_name: self.client_name,
        }
    }
}

/// The record that says what a client says now: access tokens of before are refused, and the next refresh
/// brings it. `None` where the user is an account.
pub(super) fn told(record: &Record, change: &ProfileChange) -> Result<Option<Record>, IssueError> {
    let Some(profile) = Profile::of(record)? else {
        return Ok(None);
    };
    Ok(Some(Record {
        profile: Some(profile.changed(change).text()?),
        access_ended: true,
        ..record.clone()
    }))
}

#[cfg(test)]
mod tests;
