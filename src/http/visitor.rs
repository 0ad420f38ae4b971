//! Whom a guard has let in, and how that guard is asked again.
//!
//! A guard verifies a token when the head of a request has come. A body may come seconds later, and
//! what it asks for must not be done with the rights of before (threat: stale-rights). So a guard
//! leaves itself in the request, and whoever reads a body for one of lacre's own routes has every guard
//! of the request verify again before a member of the body is handed out.
//!
//! This room must never let what was verified before the body stand for what is true after it.

use super::outside::OutsideUser;
use super::problem::Problem;
use crate::sessions::guard::LiveSession;
use actix_web::{HttpMessage as _, HttpRequest};
use futures_util::future::LocalBoxFuture;
use std::rc::Rc;

/// Whom a guard found: a session of ours, or somebody whom an outside issuer vouches for.
#[derive(Debug, Clone)]
pub(super) enum Found {
    Session(Rc<LiveSession>),
    Outside(Rc<OutsideUser>),
}

/// Whom a guard found, or nothing for a visitor whom an optional guard lets in.
pub(super) type Verified = Result<Option<Found>, Problem>;

/// A guard that can verify a request again.
pub(super) trait Verifier {
    /// Verifies the request as the guard did when it let the request in: token, place, rights and all.
    fn verify_again<'r>(&'r self, request: &'r HttpRequest) -> LocalBoxFuture<'r, Verified>;
}

/// What a guard leaves in a request that it lets in.
pub(super) struct Visitor {
    found: Option<Found>,
    guard: Rc<dyn Verifier>,
    /// What the guard before this one left.
    outer: Option<Box<Self>>,
}

impl Visitor {
    /// Leaves what a guard found.
    pub(super) fn enters(request: &HttpRequest, found: Option<Found>, guard: Rc<dyn Verifier>) {
        let mut extensions = request.extensions_mut();
        let outer = extensions.insert(Self {
            found,
            guard,
            outer: None,
        });
        if let Some(outer) = outer
            && let Some(visitor) = extensions.get_mut::<Self>()
        {
            visitor.outer = Some(Box::new(outer));
        }
    }

    /// Whom the last guard found; the outer `None` where no guard let the request in.
    #[allow(clippy::option_option)] // no guard, nobody, somebody
    pub(super) fn found(request: &HttpRequest) -> Option<Option<Found>> {
        let extensions = request.extensions();
        let visitor = extensions.get::<Self>()?;
        Some(visitor.found.clone())
    }

    /// The guards that let the request in, the last one first.
    fn guards(request: &HttpRequest) -> Vec<Rc<dyn Verifier>> {
        let extensions = request.extensions();
        let mut visitor = extensions.get::<Self>();
        let mut guards = Vec::new();
        while let Some(Self { guard, outer, .. }) = visitor {
            guards.push(Rc::clone(guard));
            visitor = outer.as_deref();
        }
        guards
    }
}

/// Has every guard that let the request in verify it again, and returns the first refusal. Does
/// nothing where there is no guard.
pub(super) async fn verify_again(request: &HttpRequest) -> Result<(), Problem> {
    let mut last = None;
    for guard in Visitor::guards(request).into_iter().rev() {
        last = Some(guard.verify_again(request).await?);
    }
    let mut extensions = request.extensions_mut();
    if let (Some(found), Some(visitor)) = (last, extensions.get_mut::<Visitor>()) {
        visitor.found = found;
    }
    Ok(())
}
