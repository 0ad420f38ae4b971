//! A second sealer, on OpenSSL alone, that can do one thing wrong.
//!
//! [`Forge`] seals as the profile says, from its own reading of RFC 7515, 7516 and 7518, with none
//! of lacre's code. [`Forge::with`] changes the bytes of one [`Stage`]; what comes after that stage
//! is computed rightly from the changed bytes, so a token is bad for one reason and no other.

use lacre::internals::token::{
    Claims, Expected, SessionKey, TokenError, TokenKind, UnopenedToken, VerifyingKey, VerifyingKeys,
};
use openssl::bn::{BigNum, BigNumContext};
use openssl::derive::Deriver;
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use serde_json::{Value, json};

pub(crate) const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://issuer.test";
const AUDIENCE: &str = "api";

/// A step of sealing whose bytes can be changed, in the order of sealing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The JSON of the claims, before it is signed.
    Claims,
    /// The JSON of the inner header, before it is signed.
    InnerHeader,
    /// The 64 bytes of the inner signature.
    Signature,
    /// The finished compact JWS.
    Jws,
    /// The padding that follows the JWS.
    Padding,
    /// The 64 bytes of the content key, before it is wrapped.
    ContentKey,
    /// What the Concat KDF hashes.
    KdfInput,
    /// The 72 bytes of the wrapped key.
    EncryptedKey,
    /// The JSON of the ephemeral key.
    Epk,
    /// The JSON of the protected header, before it is authenticated.
    Header,
    /// The IV, before it is used.
    Iv,
    /// The content key as it is used: other than the one that was wrapped.
    UsedKey,
    /// The ciphertext, before it is authenticated.
    Ciphertext,
    /// What the MAC is computed over.
    MacInput,
    /// All 64 bytes of the MAC.
    Mac,
    /// The tag as it is sent.
    Tag,
    /// The protected header as it is sent: another than was authenticated.
    SentHeader,
    /// The ciphertext as it is sent: another than was authenticated.
    SentCiphertext,
    /// The finished token.
    Text,
}

impl Stage {
    /// Every stage.
    pub(crate) const ALL: [Self; 19] = [
        Self::Claims,
        Self::InnerHeader,
        Self::Signature,
        Self::Jws,
        Self::Padding,
        Self::ContentKey,
        Self::KdfInput,
        Self::EncryptedKey,
        Self::Epk,
        Self::Header,
        Self::Iv,
        Self::UsedKey,
        Self::Ciphertext,
        Self::MacInput,
        Self::Mac,
        Self::Tag,
        Self::SentHeader,
        Self::SentCiphertext,
        Self::Text,
    ];
}

/// Everything that a sealer needs, the secrets that it should make anew for each token included.
pub(crate) struct Forge {
    session: EcKey<Private>,
    signer: EcKey<Private>,
    ephemeral: EcKey<Private>,
    content_key: [u8; 64],
    iv: [u8; 16],
    claims: Value,
    /// Whether the header's members stand as lacre writes them.
    lacres_order: bool,
    /// What ephemeral key and session's key agree on: the same for every token of this forge.
    z: Vec<u8>,
    /// The twin's signing input and its signature.
    signed: (String, Vec<u8>),
    /// The other side: lacre with the keys of this session.
    reader: (SessionKey, VerifyingKeys),
}

impl Forge {
    /// A session of its own, with claims that are good at [`NOW`].
    pub(crate) fn new() -> Self {
        let claims = json!({
            "iss": ISSUER, "sub": "u1", "aud": AUDIENCE, "iat": NOW - 10, "exp": NOW + 600,
            "jti": "t1", "sid": "h-1", "gen": 1, "id": "u1", "email": "u1@example.com",
            "role": "user", "roles": ["user"], "permissions": ["read"], "fresh": true,
            "auth_time": NOW - 10,
        });
        Self::of_session(new_key(), new_key(), claims)
    }

    /// For a session whose keys an attacker should never have; `claims` has its handle (`sid`).
    pub(crate) fn of_session(
        session: EcKey<Private>,
        signer: EcKey<Private>,
        claims: Value,
    ) -> Self {
        let (mut content_key, mut iv) = ([0; 64], [0; 16]);
        openssl::rand::rand_bytes(&mut content_key).unwrap();
        openssl::rand::rand_bytes(&mut iv).unwrap();
        let ephemeral = new_key();
        let input = [
            encode(inner_header(&signer, "at+jwt")),
            encode(claims.to_string()),
        ]
        .join(".");
        Self {
            z: agree(&ephemeral, &session),
            signed: (input.clone(), sign(&signer, input.as_bytes())),
            reader: reader(&session, &signer),
            session,
            signer,
            ephemeral,
            content_key,
            iv,
            claims,
            lacres_order: false,
        }
    }

    /// The same with the header's members in lacre's own order, which is as good as any other.
    #[allow(dead_code)] // only the benchmark needs it
    pub(crate) fn in_lacres_order(mut self) -> Self {
        self.lacres_order = true;
        self
    }

    /// A token with nothing wrong: the twin of every other one of this forge.
    pub(crate) fn token(&self) -> String {
        String::from_utf8(self.with(Stage::Text, |text| text)).unwrap()
    }

    /// A token of which one stage is changed.
    pub(crate) fn with(&self, stage: Stage, change: impl Fn(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
        let at = |here: Stage, bytes: Vec<u8>| {
            if here == stage { change(bytes) } else { bytes }
        };
        let claims = at(Stage::Claims, self.claims.to_string().into_bytes());
        let inner = at(Stage::InnerHeader, self.inner_header("at+jwt"));
        let input = [encode(inner), encode(claims)].join(".");
        let signature = if input == self.signed.0 {
            self.signed.1.clone()
        } else {
            sign(&self.signer, input.as_bytes())
        };
        let signature = at(Stage::Signature, signature);
        let mut padded = at(
            Stage::Jws,
            format!("{input}.{}", encode(signature)).into_bytes(),
        );
        padded.extend(at(Stage::Padding, pkcs7(padded.len())));

        let content_key = at(Stage::ContentKey, self.content_key.to_vec());
        let kdf_input = kdf_input(&self.z, "ECDH-ES+A256KW", [b"", b""], 256);
        let kek = openssl::sha::sha256(&at(Stage::KdfInput, kdf_input));
        let encrypted_key = at(Stage::EncryptedKey, wrap(&kek, &content_key));

        let header = at(Stage::Header, self.header(&at(Stage::Epk, self.epk())));
        let iv = at(Stage::Iv, self.iv.to_vec());
        let used_key = at(Stage::UsedKey, fit(content_key));
        let ciphertext = at(Stage::Ciphertext, cbc(&used_key[32..], &iv, &padded));
        let aad = encode(&header);
        let mac_input = [
            aad.as_bytes(),
            &iv,
            &ciphertext,
            &(aad.len() as u64 * 8).to_be_bytes(),
        ];
        let mac_input = at(Stage::MacInput, mac_input.concat());
        let mac = at(
            Stage::Mac,
            hmac(MessageDigest::sha512(), &used_key[..32], &mac_input),
        );
        let tag = at(Stage::Tag, mac[..32].to_vec());

        let segments = [
            at(Stage::SentHeader, header),
            encrypted_key,
            iv,
            at(Stage::SentCiphertext, ciphertext),
            tag,
        ];
        at(Stage::Text, segments.map(encode).join(".").into_bytes())
    }

    /// The JSON of the claims.
    pub(crate) fn claims(&self) -> Vec<u8> {
        self.claims.to_string().into_bytes()
    }

    pub(crate) fn handle(&self) -> &str {
        self.claims["sid"].as_str().unwrap()
    }

    pub(crate) fn inner_header(&self, typ: &str) -> Vec<u8> {
        inner_header(&self.signer, typ)
    }

    /// The compact JWS of the twin.
    pub(crate) fn jws(&self) -> String {
        self.signed_by(&self.signer)
    }

    /// The twin's JWS with another key behind the same `kid`.
    pub(crate) fn signed_by(&self, key: &EcKey<Private>) -> String {
        let input = [
            encode(self.inner_header("at+jwt")),
            encode(self.claims.to_string()),
        ]
        .join(".");
        format!("{input}.{}", encode(sign(key, input.as_bytes())))
    }

    pub(crate) fn signer(&self) -> &EcKey<Private> {
        &self.signer
    }

    pub(crate) fn session(&self) -> &EcKey<Private> {
        &self.session
    }

    /// What a file of vectors fixes for all its tokens: keys, issuer, audience, generation and kind.
    #[allow(dead_code)] // not in the benchmark
    pub(crate) fn published(&self) -> Value {
        let mut recipient = jwk(&self.session);
        let scalar = self.session.private_key().to_vec_padded(32).unwrap();
        recipient["d"] = encode(scalar).into();
        let mut signer = jwk(&self.signer);
        signer["kid"] = thumbprint(&self.signer).into();
        json!({
            "recipient_private_jwk": recipient, "signer_public_jwk": signer,
            "issuer": ISSUER, "audience": AUDIENCE, "generation": 1, "typ": "at+jwt",
            "subject": "u1",
        })
    }

    fn epk(&self) -> Vec<u8> {
        jwk(&self.ephemeral).to_string().into_bytes()
    }

    fn header(&self, epk: &[u8]) -> Vec<u8> {
        let handle = self.handle();
        let mut header = if self.lacres_order {
            format!(
                r#"{{"alg":"ECDH-ES+A256KW","enc":"A256CBC-HS512","typ":"JWE","cty":"JWT","kid":"{handle}","epk":"#
            )
        } else {
            format!(
                r#"{{"kid":"{handle}","typ":"JWE","cty":"JWT","enc":"A256CBC-HS512","alg":"ECDH-ES+A256KW","epk":"#
            )
        }
        .into_bytes();
        header.extend(epk);
        header.push(b'}');
        header
    }

    /// What lacre says to a token for this session at [`NOW`].
    pub(crate) fn verdict(&self, token: &[u8]) -> Result<Box<Claims>, TokenError> {
        let (session_key, signers) = &self.reader;
        UnopenedToken::parse(token)?
            .open(session_key, signers)?
            .check(&Expected {
                now: NOW,
                leeway: 0,
                issuer: ISSUER,
                audience: AUDIENCE,
                kind: TokenKind::Access,
                user: Some("u1"),
                generation: 1,
            })
    }
}

/// What lacre needs to open what is sealed for `session` and signed by `signer`.
fn reader(session: &EcKey<Private>, signer: &EcKey<Private>) -> (SessionKey, VerifyingKeys) {
    let scalar = session.private_key().to_vec_padded(32).unwrap();
    let session_key = SessionKey::from_scalar(&scalar.try_into().unwrap()).unwrap();
    let mut public = jwk(signer);
    public["kid"] = json!(thumbprint(signer));
    let public = josekit::jwk::Jwk::from_map(public.as_object().unwrap().clone()).unwrap();
    let signers = VerifyingKeys::new(vec![VerifyingKey::from_jwk(&public).unwrap()]);
    (session_key, signers)
}

fn inner_header(signer: &EcKey<Private>, typ: &str) -> Vec<u8> {
    let id = thumbprint(signer);
    format!(r#"{{"typ":"{typ}","alg":"ES256","kid":"{id}"}}"#).into_bytes()
}

pub(crate) fn p256() -> EcGroup {
    EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap()
}

/// The key with this scalar, big-endian and of any length.
pub(crate) fn key_of(scalar: &[u8]) -> EcKey<Private> {
    let (group, scalar) = (p256(), BigNum::from_slice(scalar).unwrap());
    let mut point = EcPoint::new(&group).unwrap();
    let mut context = BigNumContext::new().unwrap();
    point.mul_generator2(&group, &scalar, &mut context).unwrap();
    EcKey::from_private_components(&group, &scalar, &point).unwrap()
}

pub(crate) fn new_key() -> EcKey<Private> {
    EcKey::generate(&p256()).unwrap()
}

/// The affine coordinates, 32 bytes each.
pub(crate) fn coordinates(key: &EcKey<Private>) -> [Vec<u8>; 2] {
    let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
    let mut context = BigNumContext::new().unwrap();
    key.public_key()
        .affine_coordinates(key.group(), &mut x, &mut y, &mut context)
        .unwrap();
    [x, y].map(|number| number.to_vec_padded(32).unwrap())
}

/// The public JWK.
pub(crate) fn jwk(key: &EcKey<Private>) -> Value {
    let [x, y] = coordinates(key).map(encode);
    json!({"kty": "EC", "crv": "P-256", "x": x, "y": y})
}

/// RFC 7638.
pub(crate) fn thumbprint(key: &EcKey<Private>) -> String {
    let [x, y] = coordinates(key).map(encode);
    let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    encode(openssl::sha::sha256(members.as_bytes()))
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn decode(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(text)
        .unwrap()
}

/// ES256 in P1363 form (RFC 7518 §3.4).
pub(crate) fn sign(key: &EcKey<Private>, input: &[u8]) -> Vec<u8> {
    let signature = EcdsaSig::sign(&openssl::sha::sha256(input), key).unwrap();
    let mut bytes = signature.r().to_vec_padded(32).unwrap();
    bytes.extend(signature.s().to_vec_padded(32).unwrap());
    bytes
}

pub(crate) fn hmac(digest: MessageDigest, key: &[u8], input: &[u8]) -> Vec<u8> {
    let key = PKey::hmac(key).unwrap();
    let mut signer = Signer::new(digest, &key).unwrap();
    signer.update(input).unwrap();
    signer.sign_to_vec().unwrap()
}

pub(crate) fn agree(private: &EcKey<Private>, other: &EcKey<Private>) -> Vec<u8> {
    let private = PKey::from_ec_key(private.clone()).unwrap();
    let other = PKey::from_ec_key(other.clone()).unwrap();
    let mut deriver = Deriver::new(&private).unwrap();
    deriver.set_peer(&other).unwrap();
    deriver.derive_to_vec().unwrap()
}

/// RFC 7518 §4.6.2; `parties` are what `apu` and `apv` spell.
pub(crate) fn kdf_input(z: &[u8], algorithm: &str, parties: [&[u8]; 2], bits: u32) -> Vec<u8> {
    let mut input = vec![0, 0, 0, 1];
    input.extend(z);
    for part in [algorithm.as_bytes(), parties[0], parties[1]] {
        input.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
        input.extend(part);
    }
    input.extend(bits.to_be_bytes());
    input
}

/// RFC 3394.
pub(crate) fn wrap(kek: &[u8; 32], key: &[u8]) -> Vec<u8> {
    let kek = openssl::aes::AesKey::new_encrypt(kek).unwrap();
    let mut wrapped = vec![0; key.len() + 8];
    openssl::aes::wrap_key(&kek, None, &mut wrapped, key).unwrap();
    wrapped
}

/// AES-256-CBC without any padding of its own; what is no whole block is left out.
fn cbc(key: &[u8], iv: &[u8], padded: &[u8]) -> Vec<u8> {
    use openssl::symm::{Cipher, Crypter, Mode};
    let mut whole_iv = [0; 16];
    let length = iv.len().min(16);
    whole_iv[..length].copy_from_slice(&iv[..length]);
    let mut crypter =
        Crypter::new(Cipher::aes_256_cbc(), Mode::Encrypt, key, Some(&whole_iv)).unwrap();
    crypter.pad(false);
    let mut out = vec![0; padded.len() + 16];
    let length = crypter
        .update(&padded[..padded.len() / 16 * 16], &mut out)
        .unwrap();
    out.truncate(length);
    out
}

fn pkcs7(length: usize) -> Vec<u8> {
    let padding = 16 - length % 16;
    vec![u8::try_from(padding).unwrap(); padding]
}

/// 64 bytes of whatever content key was wrapped: a short one is filled up with zeros, as a careless
/// reader would do.
fn fit(mut content_key: Vec<u8>) -> Vec<u8> {
    content_key.resize(64, 0);
    content_key
}
