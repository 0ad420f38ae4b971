//! Files over HTTPS on loopback, with a certificate of an authority made for the test.

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

/// An authority and a server that it vouches for as `localhost`.
pub(crate) struct Https {
    pub(crate) port: u16,
    authority: X509,
}

struct Certified {
    certificate: X509,
    key: PKey<Private>,
}

/// The certificates of an authority and of a server that it vouches for as `localhost`, and the server's key, as PEM.
pub(crate) fn certificates() -> [Vec<u8>; 3] {
    certificates_for("localhost")
}

/// The same for a server of this name or address.
pub(crate) fn certificates_for(name: &str) -> [Vec<u8>; 3] {
    let authority = certified("an authority", None);
    let server = certified(name, Some(&authority));
    [
        authority.certificate.to_pem().unwrap(),
        server.certificate.to_pem().unwrap(),
        server.key.private_key_to_pem_pkcs8().unwrap(),
    ]
}

impl Https {
    /// Answers every request with this body, until the process ends.
    pub(crate) fn serving(body: &str) -> Self {
        let authority = certified("an authority", None);
        let server = certified("localhost", Some(&authority));
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
        acceptor.set_private_key(&server.key).unwrap();
        acceptor.set_certificate(&server.certificate).unwrap();
        let acceptor = Arc::new(acceptor.build());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let body: Arc<str> = body.into();
        std::thread::spawn(move || {
            for peer in listener.incoming().flatten() {
                let (acceptor, body) = (Arc::clone(&acceptor), Arc::clone(&body));
                // Whoever doesn't trust the certificate goes away in the middle.
                std::thread::spawn(move || serve(&acceptor, peer, &body));
            }
        });
        Self {
            port,
            authority: authority.certificate,
        }
    }

    /// The certificate of the authority, for those who are to trust it.
    pub(crate) fn authority(&self) -> Vec<u8> {
        self.authority.to_pem().unwrap()
    }
}

fn serve(acceptor: &SslAcceptor, peer: TcpStream, body: &str) -> Option<()> {
    let mut reader = BufReader::new(acceptor.accept(peer).ok()?);
    let mut line = String::new();
    while reader.read_line(&mut line).ok()? > 2 {
        line.clear();
    }
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    let stream = reader.get_mut();
    stream.write_all((head + body).as_bytes()).ok()?;
    stream.shutdown().ok().map(drop)
}

/// A certificate of this name by `issuer`, or by itself as an authority.
fn certified(name: &str, issuer: Option<&Certified>) -> Certified {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut subject = X509NameBuilder::new().unwrap();
    subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
    let subject = subject.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(if issuer.is_some() { 2 } else { 1 }).unwrap();
    builder
        .set_serial_number(&serial.to_asn1_integer().unwrap())
        .unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder
        .set_not_before(&Asn1Time::from_unix(0).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::days_from_now(365).unwrap())
        .unwrap();
    let signing = if let Some(issuer) = issuer {
        builder
            .set_issuer_name(issuer.certificate.subject_name())
            .unwrap();
        let mut names = SubjectAlternativeName::new();
        match name.parse::<std::net::IpAddr>() {
            Ok(_) => names.ip(name),
            Err(_) => names.dns(name),
        };
        let names = names
            .build(&builder.x509v3_context(Some(&issuer.certificate), None))
            .unwrap();
        builder.append_extension(names).unwrap();
        &issuer.key
    } else {
        builder.set_issuer_name(&subject).unwrap();
        let authority = BasicConstraints::new().critical().ca().build().unwrap();
        builder.append_extension(authority).unwrap();
        &key
    };
    builder.sign(signing, MessageDigest::sha256()).unwrap();
    Certified {
        certificate: builder.build(),
        key,
    }
}
