//! Tokens made by an independent implementation, each with one thing wrong, and what is due.

use crate::support::vectors;
use josekit::jwk::Jwk;
use lacre::internals::token::{
    Expected, TokenError, TokenKind, UnopenedToken, VerifyingKey, VerifyingKeys, jwk,
};
use serde_json::Value;

/// What one vector file fixes for all its tokens.
pub(super) struct Profile<'a>(pub(super) &'a Value);

impl Profile<'_> {
    fn jwk(&self, name: &str) -> Jwk {
        Jwk::from_map(self.0[name].as_object().unwrap().clone()).unwrap()
    }

    /// Opens the token of a case as its file says.
    pub(super) fn verify(&self, case: &Value, token: &[u8]) -> Result<(), TokenError> {
        let of = |name: &str| case.get(name).unwrap_or(&self.0[name]);
        let session_key = jwk::session_key(&self.jwk("recipient_private_jwk")).unwrap();
        let signer = VerifyingKey::from_jwk(&self.jwk("signer_public_jwk")).unwrap();
        let expected = Expected {
            now: of("now").as_u64().unwrap(),
            leeway: 0,
            issuer: of("issuer").as_str().unwrap(),
            audience: of("audience").as_str().unwrap(),
            kind: TokenKind::from_typ(of("typ").as_str().unwrap()).unwrap(),
            user: self.0["subject"].as_str(),
            generation: of("generation").as_u64().unwrap(),
        };
        UnopenedToken::parse(token)?
            .open(&session_key, &VerifyingKeys::new(vec![signer]))?
            .check(&expected)
            .map(drop)
    }
}

#[test]
fn every_profile_vector_gets_the_due_answer() {
    let Some(folder) = vectors::folder() else {
        return;
    };
    let mut wrong = Vec::new();
    let mut codes = std::collections::BTreeMap::new();
    let mut cases_run = 0;
    for (path, file) in vectors::files(&folder.join("profile")) {
        let cases = file["tests"].as_array().unwrap();
        println!(
            "{}: {} cases",
            path.file_name().unwrap().display(),
            cases.len()
        );
        cases_run += cases.len();
        for case in cases {
            let token = case["token"].as_str().unwrap().as_bytes();
            let verdict = Profile(&file).verify(case, token);
            if verdict.is_ok() != (case["expect"] == "accept") {
                wrong.push(format!("{} {}: {verdict:?}", path.display(), case["name"]));
            }
            let class = case["class"].as_str().unwrap().to_owned();
            let code = verdict.map_or_else(TokenError::code, |()| "accepted");
            *codes.entry((class, code)).or_insert(0) += 1;
        }
    }
    for ((class, code), count) in codes {
        println!("{class}: {code}: {count}");
    }
    assert!(
        wrong.is_empty(),
        "{} of {cases_run}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(cases_run > 100, "only {cases_run} cases");
}
