//! Which problem each refusal of the operators' room becomes.
//!
//! This room must never pass a text of that room into an answer.

use super::super::super::problem::{Code, Problem};
use super::change::Rights;
use crate::accounts::AccountsError;
use crate::ops::OpsError;
use crate::service::ServiceError;

pub(super) fn problem(error: OpsError) -> Problem {
    match error {
        OpsError::Service(ServiceError::Accounts(AccountsError::AccountUnknown))
        | OpsError::ClientUnknown
        | OpsError::SessionUnknown => Problem::new(Code::NotFound),
        OpsError::Service(error) => error.into(),
        OpsError::Store(error) => error.into(),
        OpsError::AuditUnavailable => Problem::new(Code::AuditUnavailable),
        OpsError::OwnAccount => Problem::new(Code::OwnAccount),
        _ => Problem::new(Code::InvalidRequest),
    }
}

impl Rights {
    /// The problem, with the member at fault named as the body names it.
    pub(super) fn named(&self, error: OpsError) -> Problem {
        let at_fault = match &error {
            OpsError::Service(ServiceError::Accounts(error)) => error.field(),
            _ => None,
        };
        let problem = problem(error);
        match at_fault {
            Some("role") if self.roles.is_some() => problem.field("roles"),
            Some("permission") => problem.field("permissions"),
            _ => problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::{Body as _, Members};
    use serde_json::{Value, json};

    fn invalid(field: &'static str) -> OpsError {
        let reason = "is no good";
        OpsError::Service(ServiceError::Accounts(AccountsError::AccountInvalid {
            field,
            reason,
        }))
    }

    fn rights(sent: Value) -> Rights {
        let Value::Object(members) = sent else {
            unreachable!("the tests send objects")
        };
        Rights::read(&mut Members::from(members)).unwrap()
    }

    fn field(problem: &Problem) -> Value {
        let body: Value = serde_json::from_str(&problem.body()).unwrap();
        body["field"].clone()
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let unknown = OpsError::Service(ServiceError::Accounts(AccountsError::AccountUnknown));
        for error in [unknown, OpsError::ClientUnknown, OpsError::SessionUnknown] {
            assert_eq!(problem(error).code(), Code::NotFound);
        }
        assert_eq!(problem(OpsError::OwnAccount).code(), Code::OwnAccount);
    }

    #[test]
    fn the_member_at_fault_has_the_name_that_the_body_gave_it() {
        let (role, roles) = (json!({"role": "a"}), json!({"roles": ["a"]}));
        assert_eq!(field(&rights(role).named(invalid("role"))), "role");
        assert_eq!(field(&rights(roles).named(invalid("role"))), "roles");
        let named = rights(json!({})).named(invalid("permission"));
        assert_eq!(
            (named.code(), field(&named)),
            (Code::AccountInvalid, json!("permissions"))
        );
        assert_eq!(field(&rights(json!({})).named(invalid("email"))), "email");
    }
}
