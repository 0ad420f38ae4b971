//! `lacre token open` and `lacre token seal`: the service's own token code, with keys from files; and
//! `lacre token explain`, which asks the deployment.
//!
//! This room must never open or seal by other code than the service does.

use super::explain::Explain;
use super::failure::Failure;
use super::place::Place;
use clap::{Args, Subcommand};
use josekit::jwk::Jwk;
use lacre::clock::{Clock as _, SystemClock};
use lacre::internals::token::{
    Claims, Expected, Handle, Recipient, RecipientKey, SessionKey, SigningKey, TokenError,
    TokenKind, UnopenedToken, VerifyingKey, VerifyingKeys, json, jwk, seal_members,
};
use serde_json::json;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The longest line that is read as a token; far above what any guard accepts.
const MAX_LINE: u64 = 1 << 20;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Open tokens, one a line from standard input, and print the result of each
    #[command(
        after_help = "Example:\n  lacre token open --recipient session.jwk --signer signer.pub.jwk \\\n      --issuer http://127.0.0.1:8080 --audience lacre < tokens.txt"
    )]
    Open(Open),
    /// Sign the claims on standard input, seal them and print the token
    #[command(
        after_help = "Example:\n  lacre token seal --recipient session.pub.jwk --signer signer.jwk --kid my-session < claims.json"
    )]
    Seal(Seal),
    /// Say why a token, a session or a request is refused now
    #[command(
        after_help = "Examples:\n  lacre token explain < token.txt\n  lacre token explain Zk3aPq9x\n  lacre token explain oQ2bT0yVf5kF7cXw1mZr8g --json    # the X-Request-Id of an answer\n\nThe token goes the way that it goes in a request, and the answer is the reason that the log has, with the facts. Claims are shown with --claims alone. Requests are known that were refused lately by the running server. --json prints {\"accepted\":…,\"code\":…,\"reasons\":[…],\"handle\":…,\"user\":…,\"session\":…,…}."
    )]
    Explain(Explain),
}

#[derive(Debug, Args)]
pub(crate) struct Open {
    /// The session's private key: a file with an EC P-256 JWK
    #[arg(long, value_name = "PRIV.jwk")]
    recipient: PathBuf,
    /// The signing key's public half: a file with an EC P-256 JWK
    #[arg(long, value_name = "PUB.jwk")]
    signer: PathBuf,
    /// The issuer that the token must have
    #[arg(long, value_name = "ISS")]
    issuer: String,
    /// The audience that must be among the token's
    #[arg(long, value_name = "AUD")]
    audience: String,
    /// The kind of token asked for: at+jwt or rt+jwt
    #[arg(long, value_name = "TYP", default_value = "at+jwt", value_parser = kind)]
    typ: TokenKind,
    /// The time to verify at, in Unix seconds [default: now]
    #[arg(long, value_name = "UNIX")]
    now: Option<u64>,
    /// The session's current generation
    #[arg(long, value_name = "N", default_value_t = 1)]
    generation: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Seal {
    /// The session's public key: a file with an EC P-256 JWK
    #[arg(long, value_name = "PUB.jwk")]
    recipient: PathBuf,
    /// The private signing key: a file with an EC P-256 JWK
    #[arg(long, value_name = "PRIV.jwk")]
    signer: PathBuf,
    /// The session handle: 1 to 128 characters of A-Z a-z 0-9 _ -
    #[arg(long, value_name = "KID")]
    kid: String,
    /// The kind of token: at+jwt or rt+jwt
    #[arg(long, value_name = "TYP", default_value = "at+jwt", value_parser = kind)]
    typ: TokenKind,
}

fn kind(text: &str) -> Result<TokenKind, String> {
    TokenKind::from_typ(text).ok_or_else(|| "one of: at+jwt, rt+jwt".to_owned())
}

pub(super) fn run(command: Command, place: &Place) -> Result<(), Failure> {
    match command {
        Command::Explain(explain) => explain.run(place),
        Command::Open(open) => open.run(),
        Command::Seal(seal) => seal.run(),
    }
}

impl Open {
    fn run(&self) -> Result<(), Failure> {
        let key = jwk::session_key(&read_jwk(&self.recipient)?)
            .map_err(|error| bad_key(&self.recipient, error))?;
        let signer = VerifyingKey::from_jwk(&read_jwk(&self.signer)?)
            .map_err(|error| bad_key(&self.signer, error))?;
        let signers = VerifyingKeys::new(vec![signer]);
        let mut input = BufReader::new(std::io::stdin().lock());
        let mut output = std::io::stdout().lock();
        let mut line = Vec::new();
        while read_line(&mut input, &mut line)? {
            let result = match self.result(&line, &key, &signers) {
                Ok(claims) => json!({"ok": true, "claims": claims.to_json()}),
                Err(error) => json!({"ok": false, "code": error.code()}),
            };
            writeln!(output, "{result}")?;
        }
        Ok(())
    }

    fn result(
        &self,
        token: &[u8],
        key: &SessionKey,
        signers: &VerifyingKeys,
    ) -> Result<Box<Claims>, TokenError> {
        UnopenedToken::parse(token)?
            .open(key, signers)?
            .check(&Expected {
                now: self.now.unwrap_or_else(|| SystemClock::default().now()),
                leeway: 0,
                issuer: &self.issuer,
                audience: &self.audience,
                kind: self.typ,
                user: None,
                generation: self.generation,
            })
    }
}

impl Seal {
    fn run(&self) -> Result<(), Failure> {
        let key = jwk::recipient(&read_jwk(&self.recipient)?)
            .map_err(|error| bad_key(&self.recipient, error))?;
        let signer = SigningKey::from_jwk(&read_jwk(&self.signer)?)
            .map_err(|error| bad_key(&self.signer, error))?;
        let handle = Handle::parse(&self.kid).map_err(|_| {
            Failure::usage(
                "kid_invalid",
                "--kid takes 1 to 128 characters of A-Z a-z 0-9 _ -",
            )
        })?;
        let mut text = Zeroizing::new(Vec::new());
        std::io::stdin()
            .lock()
            .take(MAX_LINE)
            .read_to_end(&mut text)
            .map_err(unreadable)?;
        let claims = json::object(&text).ok_or_else(|| {
            Failure::failed(
                "claims_invalid",
                "standard input is not one JSON object without duplicate members",
            )
        })?;
        let recipient = Recipient {
            key: RecipientKey::Public(&key),
            handle: &handle,
        };
        let mut rng = (lacre::internals::entropy::system())();
        let token = seal_members(recipient, &signer, self.typ, &claims, &mut rng)
            .map_err(|error| Failure::failed(error.code(), error))?;
        writeln!(std::io::stdout().lock(), "{token}")?;
        Ok(())
    }
}

/// Reads one line without its line feed and without any other trimming; `false` at the end.
fn read_line(input: &mut impl std::io::BufRead, line: &mut Vec<u8>) -> Result<bool, Failure> {
    line.clear();
    let mut limited = input.by_ref().take(MAX_LINE);
    limited.read_until(b'\n', line).map_err(unreadable)?;
    let cut_off = limited.limit() == 0 && line.last() != Some(&b'\n');
    if cut_off {
        input.skip_until(b'\n').map_err(unreadable)?;
    }
    let read_any = !line.is_empty();
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(read_any)
}

fn read_jwk(path: &Path) -> Result<Jwk, Failure> {
    let text = Zeroizing::new(std::fs::read(path).map_err(|error| {
        Failure::failed(
            "key_unreadable",
            format_args!("{}: {error}", path.display()),
        )
    })?);
    json::object(&text)
        .and_then(|members| Jwk::from_map(members).ok())
        .ok_or_else(|| bad_key(path, "not a JSON Web Key"))
}

fn bad_key(path: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::failed("key_invalid", format_args!("{}: {error}", path.display()))
}

#[allow(clippy::needless_pass_by_value)] // the form that `map_err` takes
fn unreadable(error: std::io::Error) -> Failure {
    Failure::failed("input_unreadable", format_args!("standard input: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(mut input: &[u8]) -> Vec<Vec<u8>> {
        let (mut lines, mut line) = (Vec::new(), Vec::new());
        while read_line(&mut input, &mut line).unwrap() {
            lines.push(line.clone());
        }
        lines
    }

    #[test]
    fn a_line_is_taken_as_it_is() {
        assert_eq!(lines(b"a \r\n\nb"), [&b"a \r"[..], b"", b"b"]);
        assert_eq!(lines(b""), Vec::<Vec<u8>>::new());
        assert_eq!(lines(b"\xff\n"), [b"\xff"]);
    }

    #[test]
    fn an_endless_line_takes_bounded_memory_and_is_one_line() {
        let limit = usize::try_from(MAX_LINE).unwrap();
        let mut input = vec![b'a'; limit + 10];
        input.extend(b"\nb\n");
        let lines = lines(&input);
        assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [limit, 1]);
    }
}
