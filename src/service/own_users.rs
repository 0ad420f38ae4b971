//! Users of a client's own: the client vouches for them, and no account is kept of them.
//!
//! What the client says of a user lies in each of the user's sessions. A user who has none is nobody here.
//!
//! This room must never let a client name a user of another's, nor an account.

use super::going_on::to_the_end;
use super::{Caller, Service, ServiceError};
use crate::accounts::{
    AccountsError, Client, ClientId, display_name, permissions, plain_text, roles_or_none,
};
use crate::sessions::grant::{Grant, IssueError, Issued, Occasion, Origin, Subject};
use crate::sessions::profile::ProfileChange;
use crate::telemetry::audit::Change;
use crate::token::{BAD_ID, OwnUser};
use serde_json::{Map, Value};

/// What a client says of a user of its own; what it leaves out isn't said, or stays as it was said before.
/// An empty text says that there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// The e-mail: at most 254 bytes of text.
    pub email: Option<String>,
    /// The name: at most 200 characters.
    pub name: Option<String>,
    /// The roles, each spelled as those of accounts; none are needed.
    pub roles: Option<Vec<String>>,
    /// The permissions.
    pub permissions: Option<Vec<String>>,
}

/// A session that a client asks for.
pub(super) struct Vouched {
    pub(super) id: String,
    pub(super) said: Said,
    /// Whether the user has just proven a password to the client.
    pub(super) fresh: bool,
    pub(super) user_session: Option<String>,
    pub(super) claims: Map<String, Value>,
    pub(super) origin: Origin,
}

impl Said {
    /// The name of the first member that says something.
    pub(super) fn first(&self) -> Option<&'static str> {
        let all = [
            ("email", self.email.is_some()),
            ("name", self.name.is_some()),
            ("roles", self.roles.is_some()),
            ("permissions", self.permissions.is_some()),
        ];
        all.into_iter()
            .find_map(|(name, said)| said.then_some(name))
    }

    /// The same with each right once, if all of it can be said.
    fn checked(self) -> Result<Self, ServiceError> {
        if let Some(email) = &self.email {
            plain_text("email", email).map_err(unsayable)?;
        }
        if let Some(name) = &self.name {
            display_name("name", name).map_err(unsayable)?;
        }
        Ok(Self {
            roles: self
                .roles
                .map(roles_or_none)
                .transpose()
                .map_err(unsayable)?,
            permissions: self
                .permissions
                .map(permissions)
                .transpose()
                .map_err(unsayable)?,
            ..self
        })
    }
}

/// What can't be said of a user, by the member that says it.
fn unsayable(error: AccountsError) -> ServiceError {
    match error {
        AccountsError::AccountInvalid { field, reason } => ServiceError::UserInvalid {
            field: match field {
                "role" => "roles",
                "permission" => "permissions",
                other => other,
            },
            reason,
        },
        other => other.into(),
    }
}

impl Service {
    /// The user whom this client calls so: refused where the client has no users of its own, or where that
    /// can't be an id.
    pub fn own_user(&self, client: &Client, id: &str) -> Result<OwnUser, ServiceError> {
        if !client.own_users {
            return Err(ServiceError::NoOwnUsers);
        }
        OwnUser::new(client.id.as_str(), id).ok_or(ServiceError::UserInvalid {
            field: "id",
            reason: BAD_ID,
        })
    }

    /// Begins a session for a user of the client's own. Says whose it is as soon as that is known.
    pub(super) async fn begin_vouched(
        &self,
        request: Vouched,
        client: &Client,
        caller: &Caller,
        whose: &mut Option<String>,
    ) -> Result<Issued, ServiceError> {
        let user = self.own_user(client, &request.id)?;
        *whose = Some(user.user());
        let said = request.said.checked()?;
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let name = filled(said.name);
        if name.is_some() && request.claims.contains_key("name") {
            return Err(IssueError::ReservedClaim("name".to_owned()).into());
        }
        let grant = Grant {
            subject: Subject {
                id: request.id,
                email: filled(said.email),
                name: None,
                roles: said.roles.unwrap_or_default(),
                permissions: said.permissions.unwrap_or_default(),
            },
            occasion: Occasion::OwnUser {
                client_id: client.id.as_str().to_owned(),
                client_name: client.name.clone(),
                name,
                fresh: request.fresh,
            },
            user_session: request.user_session,
            origin: request.origin,
            additional: request.claims,
        };
        self.begin(None, grant, caller)
            .await?
            .ok_or(ServiceError::InvalidClient)
    }

    /// Has every session of a client's user say what the client says now. Their access tokens end, and a
    /// refresh brings what is said. Returns how many there are.
    pub async fn tell_of(
        &self,
        caller: &Caller,
        user: &OwnUser,
        said: Said,
    ) -> Result<usize, ServiceError> {
        let said = said.checked()?;
        let (service, caller, user) = (self.clone(), caller.clone(), user.user());
        to_the_end(async move {
            let rights = said.roles.is_some() || said.permissions.is_some();
            let profile = said.email.is_some() || said.name.is_some();
            let change = ProfileChange {
                email: said.email,
                name: said.name,
                roles: said.roles,
                permissions: said.permissions,
            };
            let told = service.lacre.tell(&user, &change).await?.len();
            if told > 0 {
                let events = [(profile, Change::Profile), (rights, Change::Rights)];
                for (_, event) in events.into_iter().filter(|(changed, _)| *changed) {
                    caller.changed(&user, event);
                }
            }
            Ok(told)
        })
        .await
    }

    /// Whether the client that vouches for this user is still there.
    pub(super) async fn is_vouched_for(&self, user: &OwnUser) -> Result<bool, AccountsError> {
        match ClientId::parse(user.client_id()) {
            Ok(client) => self.accounts.has_client(&client).await,
            Err(_) => Ok(false),
        }
    }
}
