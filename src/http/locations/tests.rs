use super::super::problem::Code;
use super::*;
use actix_web::test::TestRequest;

const ALL: [Location; 4] = [
    Location::Header,
    Location::Cookie,
    Location::Query,
    Location::Json,
];

/// A request with a token in each of these places, and the member that its body would bring.
fn carrying(places: &[Location]) -> (HttpRequest, Option<Zeroizing<String>>) {
    let mut request = TestRequest::default();
    let mut member = None;
    for place in places {
        match place {
            Location::Header => {
                request = request.append_header(("Authorization", "Bearer header.token"));
            }
            Location::Cookie => {
                request = request.append_header(("Cookie", "__Host-lacre_access=cookie.token"));
            }
            Location::Query => request = request.uri("/?a=b&token=query.token"),
            Location::Json => member = Some(Zeroizing::new("json.token".to_owned())),
        }
    }
    (request.to_http_request(), member)
}

fn find(
    request: &HttpRequest,
    member: Option<Zeroizing<String>>,
    enabled: &[Location],
) -> Result<Option<(Location, String)>, Code> {
    let places = TokenLocations {
        field: TokenField::Authorization,
        enabled,
        cookies: &[cookies::ACCESS],
    };
    let found = places.find(request, member);
    found
        .map(|found| {
            found.map(|found| {
                (
                    found.location,
                    String::from_utf8(found.text.as_bytes().to_vec()).unwrap(),
                )
            })
        })
        .map_err(|problem| problem.code())
}

fn cookie(lines: &[&[u8]], names: &[&str]) -> Result<Option<String>, Code> {
    let mut request = TestRequest::default();
    for line in lines {
        request = request.append_header(("Cookie", *line));
    }
    let places = TokenLocations {
        field: TokenField::Authorization,
        enabled: &ALL,
        cookies: names,
    };
    let request = request.to_http_request();
    let found = places.find(&request, None);
    found
        .map(|found| found.map(|found| String::from_utf8(found.text.as_bytes().to_vec()).unwrap()))
        .map_err(|problem| problem.code())
}

fn query(query: &str) -> Result<Option<String>, Code> {
    let request = TestRequest::default().uri(&format!("/?{query}"));
    let found = find(&request.to_http_request(), None, &[Location::Query]);
    found.map(|found| found.map(|(_, text)| text))
}

#[test]
fn a_token_is_found_in_each_enabled_place() {
    for place in ALL {
        let (request, member) = carrying(&[place]);
        let (location, text) = find(&request, member, &[place]).unwrap().unwrap();
        assert_eq!(location, place);
        assert_eq!(text, format!("{place:?}.token").to_lowercase());
    }
    let (request, _) = carrying(&[]);
    assert_eq!(find(&request, None, &ALL), Ok(None));
}

#[test]
fn a_place_that_is_not_enabled_is_not_looked_at() {
    // Nobody reads a body's member where the place isn't enabled.
    for place in [Location::Header, Location::Cookie, Location::Query] {
        let (request, member) = carrying(&[place]);
        let others: Vec<_> = ALL.into_iter().filter(|other| *other != place).collect();
        assert_eq!(find(&request, member, &others), Ok(None), "{place:?}");
    }
    let (request, member) = carrying(&[Location::Header, Location::Query]);
    let found = find(&request, member, &[Location::Query]);
    assert_eq!(found, Ok(Some((Location::Query, "query.token".to_owned()))));
}

#[test]
fn each_pair_of_places_is_two_tokens() {
    for (at, one) in ALL.into_iter().enumerate() {
        for other in &ALL[at + 1..] {
            let (request, member) = carrying(&[one, *other]);
            assert_eq!(
                find(&request, member, &ALL),
                Err(Code::InvalidRequest),
                "{one:?} and {other:?}"
            );
        }
    }
}

#[test]
fn a_bad_token_does_not_hide_another() {
    let request = TestRequest::default()
        .append_header(("Authorization", "Bearer not a token"))
        .uri("/?token=good")
        .to_http_request();
    assert_eq!(find(&request, None, &ALL), Err(Code::InvalidRequest));
}

#[test]
fn a_place_twice_is_two_tokens() {
    let names = [cookies::ACCESS];
    for lines in [
        &[&b"__Host-lacre_access=a; __Host-lacre_access=a"[..]][..],
        &[b"__Host-lacre_access=a", b"__Host-lacre_access=b"],
        &[b"__Host-lacre_access=; x=y; __Host-lacre_access=b"],
    ] {
        assert_eq!(
            cookie(lines, &names),
            Err(Code::InvalidRequest),
            "{lines:?}"
        );
    }
    assert_eq!(query("token=a&token=a"), Err(Code::InvalidRequest));
    assert_eq!(query("token&token=a"), Err(Code::InvalidRequest));
}

#[test]
fn a_cookie_is_found_among_others_whatever_they_hold() {
    let names = [cookies::ACCESS];
    for line in [
        &b"__Host-lacre_access=a.b"[..],
        b"x=y; __Host-lacre_access=a.b; z=\"q\"",
        b"x=\xff\xfe;__Host-lacre_access=a.b",
        b"; ;=;x;__Host-lacre_access=a.b;",
    ] {
        assert_eq!(cookie(&[line], &names), Ok(Some("a.b".into())), "{line:?}");
    }
}

#[test]
fn only_the_exact_name_is_ours() {
    let names = [cookies::ACCESS];
    for line in [
        &b"__host-lacre_access=a"[..],
        b"lacre_access=a",
        b"__Host-lacre_access =a",
        b"x__Host-lacre_access=a",
        b"__Host-lacre_access",
        b"%5F_Host-lacre_access=a",
        b"__Host-lacre_refresh=a",
    ] {
        assert_eq!(cookie(&[line], &names), Ok(None), "{line:?}");
    }
    for other in [
        "Token=a",
        "tokens=a",
        "%74oken=a",
        "a=token",
        "",
        "x;token=a",
    ] {
        assert_eq!(query(other), Ok(None), "{other}");
    }
}

#[test]
fn what_is_no_text_of_a_token_is_a_bad_token() {
    let names = [cookies::ACCESS];
    for line in [
        &b"__Host-lacre_access="[..],
        b"__Host-lacre_access=a b",
        b"__Host-lacre_access=\xff",
    ] {
        assert_eq!(cookie(&[line], &names), Err(Code::InvalidToken), "{line:?}");
    }
    assert_eq!(query("token="), Err(Code::InvalidToken));
    assert_eq!(query("token"), Err(Code::InvalidToken));
    let (request, _) = carrying(&[]);
    for member in ["", "a b", "é"] {
        let found = find(&request, Some(Zeroizing::new(member.to_owned())), &ALL);
        assert_eq!(found, Err(Code::InvalidToken), "{member:?}");
    }
}

#[test]
fn nothing_is_decoded() {
    assert_eq!(query("token=a%2Eb"), Ok(Some("a%2Eb".into())));
    assert_eq!(query("token=a+b"), Ok(Some("a+b".into())));
    let quoted = cookie(&[b"__Host-lacre_access=\"a\""], &[cookies::ACCESS]);
    assert_eq!(quoted, Ok(Some("\"a\"".into())));
}

#[test]
fn of_the_cookies_of_a_session_the_first_that_a_route_names_counts() {
    let both: &[&[u8]] = &[b"__Host-lacre_access=a; __Host-lacre_refresh=r"];
    let (access, refresh) = (cookies::ACCESS, cookies::REFRESH);
    assert_eq!(cookie(both, &[access]), Ok(Some("a".into())));
    assert_eq!(cookie(both, &[refresh]), Ok(Some("r".into())));
    assert_eq!(cookie(both, &[refresh, access]), Ok(Some("r".into())));
    let one: &[&[u8]] = &[b"__Host-lacre_access=a"];
    assert_eq!(cookie(one, &[refresh, access]), Ok(Some("a".into())));
}
