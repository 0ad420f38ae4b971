//! Which kinds of token a route takes, and how a token of one of them is opened.
//!
//! This room must never open a token in another way than the guard does.

use super::cookies;
use crate::lacre::Lacre;
use crate::sessions::guard::{LiveSession, Refusal};
use crate::token::{TokenError, TokenKind};

/// Which tokens a guard takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum TokenKinds {
    #[default]
    Access,
    Refresh,
    Any,
}

impl TokenKinds {
    /// The cookies that may hold such a token. A browser sends all of a session's at once; the
    /// refresh token is the one that still ends the session when the access token has expired.
    pub(super) fn cookies(self) -> &'static [&'static str] {
        match self {
            Self::Access => &[cookies::ACCESS],
            Self::Refresh => &[cookies::REFRESH],
            Self::Any => &[cookies::REFRESH, cookies::ACCESS],
        }
    }

    /// The kind of those tokens whose content keys are kept; `None` where none of these are.
    pub(super) fn kept(self) -> Option<TokenKind> {
        match self {
            Self::Access | Self::Any => Some(TokenKind::Access),
            Self::Refresh => None,
        }
    }

    /// Opens a token of one of these kinds by its session's record alone. The kind is known only once
    /// a token is open, so that of [`Any`](Self::Any) a refresh token is opened twice.
    pub(super) async fn open(self, lacre: &Lacre, token: &[u8]) -> Result<LiveSession, Refusal> {
        match self {
            Self::Access => lacre.guard_unknown(token, TokenKind::Access).await,
            Self::Refresh => lacre.guard_unknown(token, TokenKind::Refresh).await,
            Self::Any => match lacre.guard_unknown(token, TokenKind::Access).await {
                Err(Refusal::Token(TokenError::Kind)) => {
                    lacre.guard_unknown(token, TokenKind::Refresh).await
                }
                opened => opened,
            },
        }
    }
}
