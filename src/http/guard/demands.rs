//! What a guard asks of a session besides that it is good: roles, permissions, a fresh log-in.
//!
//! Pure: the guard in front of a handler asks here, and so does whoever has to know whether another
//! service would let a session in.
//!
//! This room must never look at a request.

use crate::defaults::CLIENT_PREFIX;
use crate::http::csrf::Methods;
use crate::http::locations::{Location, TokenField};
use crate::http::problem::Missing;
use crate::http::token_kinds::TokenKinds;
use crate::sessions::guard::LiveSession;

/// What a guard asks of a request.
#[derive(Debug, Clone, Default)]
pub(super) struct Demands {
    pub(super) locations: Vec<Location>,
    pub(super) field: TokenField,
    /// Which methods say whether a request with a cookie may change something.
    pub(super) methods: Methods,
    pub(super) optional: bool,
    pub(super) fresh: bool,
    pub(super) kinds: TokenKinds,
    pub(super) any_role: Vec<String>,
    pub(super) permissions: Vec<String>,
    pub(super) users: Users,
}

/// Whose users are let in.
#[derive(Debug, Clone, Default)]
pub(super) enum Users {
    /// Accounts alone: what a client says of its users counts for nothing here.
    #[default]
    Accounts,
    /// Accounts, and the users of these clients: their ids, or what the operator calls them.
    AccountsAnd(Vec<String>),
    /// Whoever has a session.
    Everybody,
}

impl Users {
    /// Whether this client's users are among them. What begins like the id of a client is one, and no name.
    fn of_client(&self, id: &str, called: Option<&str>) -> bool {
        match self {
            Self::Accounts => false,
            Self::AccountsAnd(clients) => clients.iter().any(|client| {
                client == id
                    || called == Some(client.as_str()) && !client.starts_with(CLIENT_PREFIX)
            }),
            Self::Everybody => true,
        }
    }
}

impl Demands {
    /// Whether this session has all that is asked for, and the first thing that it lacks.
    pub(super) fn check(&self, session: &LiveSession) -> Result<(), Missing> {
        let claims = &session.claims;
        if let Some(client) = session.client_id()
            && !self.users.of_client(client, claims.client_name.as_deref())
        {
            return Err(Missing::Account);
        }
        self.check_rights(&claims.roles, &claims.permissions, session.is_fresh())
    }

    pub(super) fn check_rights(
        &self,
        roles: &[String],
        permissions: &[String],
        fresh: bool,
    ) -> Result<(), Missing> {
        if !self.any_role.is_empty() && !self.any_role.iter().any(|role| roles.contains(role)) {
            return Err(match self.any_role.as_slice() {
                [one] => Missing::Role(one.clone()),
                several => Missing::AnyRole(several.to_vec()),
            });
        }
        if let Some(missing) = self
            .permissions
            .iter()
            .find(|name| !permissions.contains(name))
        {
            return Err(Missing::Permission(missing.clone()));
        }
        if self.fresh && !fresh {
            return Err(Missing::FreshLogin);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn one_of_the_roles_and_all_of_the_permissions_are_asked_for() {
        let demands = Demands {
            any_role: names(&["auditor", "clerk"]),
            permissions: names(&["read", "write"]),
            ..Demands::default()
        };
        let check = |roles: &[&str], permissions: &[&str]| {
            demands.check_rights(&names(roles), &names(permissions), false)
        };
        assert_eq!(check(&["clerk"], &["write", "read", "more"]), Ok(()));
        assert_eq!(
            check(&["guest"], &["read", "write"]),
            Err(Missing::AnyRole(names(&["auditor", "clerk"])))
        );
        assert_eq!(
            check(&["auditor"], &["read"]),
            Err(Missing::Permission("write".to_owned()))
        );
        assert!(check(&[], &[]).is_err());
    }

    #[test]
    fn a_name_is_compared_whole_and_as_it_is_written() {
        let demands = Demands {
            any_role: names(&["admin"]),
            ..Demands::default()
        };
        for role in ["Admin", "admin ", "admi", "admins", ""] {
            let lacks = demands.check_rights(&names(&[role]), &[], true);
            assert_eq!(lacks, Err(Missing::Role("admin".to_owned())), "{role:?}");
        }
    }

    #[test]
    fn users_of_a_client_are_let_in_only_where_it_is_named() {
        let (shop, desk) = ("client_AAAAAAAAAAAAAAAA", "client_BBBBBBBBBBBBBBBB");
        let lets_in = |named: &[&str], id: &str, called: Option<&str>| {
            Users::AccountsAnd(names(named)).of_client(id, called)
        };
        assert!(lets_in(&[shop], shop, Some("shop")));
        assert!(lets_in(&[shop], shop, None));
        assert!(lets_in(&["desk", "shop"], shop, Some("shop")));
        for named in [&[][..], &[desk], &["desk"], &["Shop"], &["shop "], &[""]] {
            assert!(!lets_in(named, shop, Some("shop")), "{named:?}");
        }
        assert!(!lets_in(&[""], shop, None));
        // A client that is called by another's id.
        assert!(!lets_in(&[shop], desk, Some(shop)));
        assert!(Users::Everybody.of_client(shop, None));
        assert!(!Users::default().of_client(shop, Some("shop")));
    }

    #[test]
    fn a_fresh_log_in_is_asked_for_only_where_it_is_demanded() {
        let demands = |fresh| Demands {
            fresh,
            ..Demands::default()
        };
        let check = |demands: Demands, fresh| demands.check_rights(&[], &[], fresh);
        assert_eq!(check(demands(true), false), Err(Missing::FreshLogin));
        assert_eq!(check(demands(true), true), Ok(()));
        assert_eq!(check(demands(false), false), Ok(()));
    }
}
