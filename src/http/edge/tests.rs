use super::*;
use crate::http::live::{Answer, Live, answer, connect};
use serde_json::json;
use std::io::{Read as _, Write as _};

/// What must hold for every answer that passed the edge.
fn has_standing_headers(answer: &Answer) {
    assert_eq!(
        answer.header("x-request-id").map(str::len),
        Some(22),
        "{answer:?}"
    );
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let policy = answer.header("content-security-policy");
    assert_eq!(policy, Some("default-src 'none'; frame-ancestors 'none'"));
    assert!(answer.header("server").is_none());
}

#[test]
fn every_answer_has_an_id_and_the_standing_headers() {
    let live = Live::start();
    for (target, status) in [
        ("/id", 200),
        ("/nothing", 404),
        ("/me", 401),
        ("/panic", 500),
        ("/error", 500),
        ("/own", 409),
    ] {
        let answer = live.call("GET", target);
        assert_eq!(answer.status, status, "{target}");
        has_standing_headers(&answer);
    }
}

#[test]
fn a_handler_knows_the_id_of_the_answer() {
    let live = Live::start();
    let answer = live.call("GET", "/id");
    assert_eq!(Some(answer.body.as_str()), answer.header("x-request-id"));
    assert_ne!(answer.body, live.call("GET", "/id").body);
}

#[test]
fn an_id_from_outside_is_not_echoed() {
    let live = Live::start();
    let answer = live
        .send("GET /me HTTP/1.1\r\nHost: a\r\nX-Request-Id: chosen\r\nConnection: close\r\n\r\n");
    assert_eq!(answer.problem(), "no_credentials");
    assert!(!answer.head.contains("chosen") && !answer.body.contains("chosen"));
}

/// Those who found the queue of passwords full at one moment are not to come again at one moment.
#[test]
fn who_finds_the_queue_of_passwords_full_comes_again_at_a_time_of_its_own() {
    let mut rng = StdRng::seed_from_u64(1);
    let mut seconds = |code: Code| {
        let response = HttpResponse::from_error(Problem::new(code));
        let id = RequestId::fresh(&mut rng);
        let told = finish(response, id, &Form::default(), &RequestHead::default());
        let seconds = told.headers().get(RETRY_AFTER).unwrap();
        seconds.to_str().unwrap().parse::<usize>().unwrap()
    };
    let mut seen = [0; 5];
    for _ in 0..4_000 {
        seen[seconds(Code::HashingBusy)] += 1;
    }
    assert_eq!(seen[0], 0);
    assert!(
        seen[1..].iter().all(|times| (800..1_200).contains(times)),
        "{seen:?}"
    );
    assert_eq!(seconds(Code::StoreUnavailable), 1);
}

/// Of those who ask again at once, each does so at a time of its own.
#[test]
fn who_is_sent_away_waits_for_a_moment_of_chance() {
    let mut rng = StdRng::seed_from_u64(2);
    let mut waits = |code: Code| {
        let response = HttpResponse::from_error(Problem::new(code));
        wait(&response, RequestId::fresh(&mut rng))
    };
    for code in [Code::HashingBusy, Code::RateLimited] {
        let mut seen = [0; 4];
        for _ in 0..4_000 {
            let wait = waits(code).unwrap();
            assert!(wait <= LONGEST_WAIT);
            seen[usize::try_from(wait.as_millis()).unwrap() / 64] += 1;
        }
        assert!(
            seen.iter().all(|times| (800..1_200).contains(times)),
            "{seen:?}"
        );
    }
    assert_eq!(waits(Code::StoreUnavailable), None);
    assert_eq!(waits(Code::InvalidCredentials), None);
    let fine = HttpResponse::Ok().finish();
    assert_eq!(wait(&fine, RequestId::fresh(&mut rng)), None);
}

/// One worker, and all at once: they neither come back together, nor wait for one another.
#[test]
fn refusals_that_wait_do_so_beside_each_other() {
    let live = Live::start();
    let began = Instant::now();
    let mut streams: Vec<_> = (0..64).map(|_| connect(live.public)).collect();
    for stream in &mut streams {
        write!(
            stream,
            "GET /busy HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
    }
    let waited = streams.into_iter().map(|mut stream| {
        std::thread::spawn(move || {
            let answer = answer(&mut stream);
            assert_eq!(answer.problem(), "hashing_busy");
            has_standing_headers(&answer);
            began.elapsed()
        })
    });
    let waited: Vec<_> = waited.collect();
    let waited: Vec<_> = waited.into_iter().map(|one| one.join().unwrap()).collect();
    let (first, last) = (waited.iter().min().unwrap(), waited.iter().max().unwrap());
    assert!(*last >= *first + LONGEST_WAIT / 2, "{waited:?}");
    // One after the other they would take 64 times the mean.
    assert!(began.elapsed() < LONGEST_WAIT * 20, "{waited:?}");
}

#[test]
fn a_panic_is_a_500_and_the_worker_lives() {
    let live = Live::start();
    let mut stream = connect(live.public);
    for target in ["/panic", "/panic-later"] {
        // One connection and one worker: whoever dies takes the next answer along.
        write!(stream, "GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 500", "{target}");
        let mut last = *b" ";
        while last != *b"}" {
            stream.read_exact(&mut last).unwrap();
        }
    }
    write!(
        stream,
        "GET /id HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    assert_eq!(answer(&mut stream).status, 200);
    let told = live.call("GET", "/panic");
    assert_eq!(told.problem(), "internal_error");
    assert!(!told.body.contains("s3cret"));
    assert!(
        live.ask("/metrics")
            .body
            .contains("lacre_http_panics_total 3\n")
    );
}

#[test]
fn the_words_of_a_library_stay_inside() {
    let live = Live::start();
    let answer = live.call("GET", "/error");
    assert_eq!(answer.problem(), "internal_error");
    assert!(!answer.body.contains("s3cret"));
    let answer = live.call("GET", "/things/abc");
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (404, "not_found")
    );
    assert!(!answer.body.contains("parse"), "{answer:?}");
}

#[test]
fn an_unknown_route_and_a_wrong_method_are_problems() {
    let live = Live::start();
    assert_eq!(live.call("GET", "/nothing").problem(), "not_found");
    let answer = live.call("DELETE", "/me");
    assert_eq!(answer.problem(), "method_not_allowed");
    let mut allowed: Vec<_> = answer.header("allow").unwrap().split(", ").collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "PUT"]);
    assert_eq!(live.call("BREW", "/me").problem(), "method_not_allowed");
    let head = live.call("HEAD", "/nothing");
    assert_eq!((head.status, head.body.as_str()), (404, ""));
}

#[test]
fn a_bare_error_status_becomes_the_problem_of_its_class() {
    let live = Live::start();
    for (status, code) in [
        (403, "insufficient_scope"),
        (418, "invalid_request"),
        (501, "internal_error"),
    ] {
        assert_eq!(live.call("GET", &format!("/bare/{status}")).problem(), code);
    }
    let unauthorized = live.call("GET", "/bare/401");
    assert_eq!(
        unauthorized.header("www-authenticate"),
        Some(r#"Bearer realm="lacre""#)
    );
    assert_eq!(live.call("GET", "/bare/204").status, 204);
}

#[test]
fn an_error_that_a_handler_wrote_in_json_is_left_alone() {
    let answer = Live::start().call("GET", "/own");
    assert_eq!((answer.status, answer.json()), (409, json!({"mine": true})));
}

#[test]
fn two_authorization_headers_are_an_invalid_request() {
    let live = Live::start();
    let answer = live.send(
        "GET /me HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
         Authorization: Bearer a\r\nAuthorization: Bearer a\r\n\r\n",
    );
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (400, "invalid_request")
    );
    let challenge = r#"Bearer realm="lacre", error="invalid_request""#;
    assert_eq!(answer.header("www-authenticate"), Some(challenge));
}

#[test]
fn a_long_target_and_large_fields_are_refused_before_routing() {
    let live = Live::start();
    let answer = live.call("GET", &format!("/id?{}", "x".repeat(super::MAX_TARGET)));
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (414, "uri_too_long")
    );
    has_standing_headers(&answer);
    let fields = format!("X-A: {}\r\n", "x".repeat(4000)).repeat(9);
    let answer = live.send(format!(
        "GET /id HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n"
    ));
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (431, "header_too_large")
    );
    let room_for_a_token = format!("/id?token={}", "x".repeat(8192));
    assert_eq!(live.call("GET", &room_for_a_token).status, 200);
}

#[test]
fn floods_end_below_the_edge_without_a_body() {
    let live = Live::start();
    let many = "X-A: x\r\n".repeat(1000);
    let answer = live.send(format!("GET /id HTTP/1.1\r\nHost: a\r\n{many}\r\n"));
    assert_eq!((answer.status, answer.body.as_str()), (431, ""));
    let endless = format!(
        "GET /id HTTP/1.1\r\nHost: a\r\nX-A: {}",
        "x".repeat(200 * 1024)
    );
    assert_eq!(live.send(endless).status, 431);
    for broken in [
        "GET /id\0 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /id HTTP/1.1\r\n\r\n",
        "\0\r\n\r\n",
    ] {
        let answer = live.send(broken);
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (400, ""),
            "{broken:?}"
        );
    }
    assert_eq!(live.call("GET", "/id").status, 200, "and the worker lives");
}

#[test]
fn http_1_0_is_answered() {
    let answer = Live::start().send("GET /id HTTP/1.0\r\n\r\n");
    assert_eq!(answer.status, 200);
    has_standing_headers(&answer);
}

#[test]
fn requests_are_counted_under_their_pattern() {
    let live = Live::start();
    live.call("GET", "/things/1");
    live.call("GET", "/things/2");
    live.call("GET", "/made/up");
    live.call("DELETE", "/me");
    let text = live.ask("/metrics").body;
    for line in [
        r#"lacre_http_requests_total{route="/things/{id}",method="GET",status="200"} 2"#,
        r#"lacre_http_requests_total{route="unmatched",method="GET",status="404"} 1"#,
        r#"lacre_http_requests_total{route="/me",method="DELETE",status="405"} 1"#,
        "lacre_http_requests_in_flight 0",
        "lacre_hash_queue_length 3",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
}

mod bodies {
    use super::*;

    const JSON: &str = "Content-Type: application/json\r\n";
    const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

    #[test]
    fn both_forms_are_read_where_both_are_taken() {
        let live = Live::start();
        assert_eq!(live.post("/form", JSON, br#"{"email":"a@b"}"#).body, "a@b");
        assert_eq!(live.post("/form", FORM, b"email=a%40b").body, "a@b");
        let refused = live.post("/json", FORM, b"email=a%40b");
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (415, "unsupported_media_type")
        );
    }

    #[test]
    fn every_bad_body_has_its_code() {
        let live = Live::start();
        for (fields, body, code) in [
            ("", &br#"{"email":"a"}"#[..], "unsupported_media_type"),
            (
                "Content-Type: text/plain\r\n",
                br#"{"email":"a"}"#,
                "unsupported_media_type",
            ),
            (JSON, b"", "body_malformed"),
            (JSON, br#"{"email":"a","email":"b"}"#, "body_malformed"),
            (FORM, b"email=a&email=b", "body_malformed"),
            (JSON, b"{\"email\":\"\xff\"}", "body_not_utf8"),
            (JSON, b"{}", "body_missing_member"),
            (JSON, br#"{"email":1}"#, "body_wrong_type"),
        ] {
            let answer = live.post("/form", fields, body);
            assert_eq!(answer.problem(), code, "{body:?}");
            has_standing_headers(&answer);
        }
    }

    #[test]
    fn a_byte_over_the_limit_is_413_announced_or_not() {
        let live = Live::start();
        let large = |length: usize| format!(r#"{{"email":"{}"}}"#, "x".repeat(length - 12));
        assert_eq!(
            live.post("/form", JSON, large(65_536).as_bytes()).status,
            200
        );
        let answer = live.post("/form", JSON, large(65_537).as_bytes());
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (413, "body_too_large")
        );
        // Announced and never sent: the answer doesn't wait for it.
        let answer = live.send(
            "POST /form HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: 9999999999\r\n\r\n",
        );
        assert_eq!(answer.problem(), "body_too_large");
        let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
        let answer = live.send(format!("{}{}0\r\n\r\n", chunked_head(), chunk.repeat(5)));
        assert_eq!(answer.problem(), "body_too_large");
    }

    #[test]
    fn a_chunked_body_is_read_whole() {
        let live = Live::start();
        let answer = live.send(format!(
            "{}8\r\n{{\"email\"\r\n6\r\n:\"a@b\"\r\n1\r\n}}\r\n0\r\n\r\n",
            chunked_head()
        ));
        assert_eq!(
            (answer.status, answer.body.contains("a@b")),
            (200, true),
            "{answer:?}"
        );
    }

    #[test]
    fn smuggled_lengths_never_reach_a_handler() {
        let live = Live::start();
        for fields in [
            "Content-Length: 2\r\nContent-Length: 2",
            "Content-Length: 2\r\nTransfer-Encoding: chunked",
            "Content-Length: +2",
            "Transfer-Encoding: gzip, chunked",
        ] {
            let head = "POST /form HTTP/1.1\r\nHost: a\r\nContent-Type: application/json";
            let answer = live.send(format!("{head}\r\n{fields}\r\n\r\n{{}}"));
            assert_eq!(answer.status, 400, "{fields}");
        }
    }

    #[test]
    fn no_body_is_fine_where_it_is_optional() {
        let live = Live::start();
        assert_eq!(live.call("POST", "/optional").body, "true");
        assert_eq!(live.post("/optional", "", b"").body, "true");
        assert_eq!(
            live.post("/optional", JSON, br#"{"refresh":"x"}"#).body,
            "false"
        );
        assert_eq!(
            live.post("/optional", "", b"{}").problem(),
            "unsupported_media_type"
        );
    }

    fn chunked_head() -> &'static str {
        "POST /form HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    }
}

#[test]
fn the_limit_for_headers_is_the_operators() {
    let request = || {
        let long = ("x-long", "y".repeat(100));
        actix_web::test::TestRequest::default()
            .insert_header(long)
            .to_srv_request()
    };
    assert_eq!(super::too_large(&request(), super::MAX_TARGET, 106), None);
    assert_eq!(
        super::too_large(&request(), super::MAX_TARGET, 105),
        Some(Code::HeaderTooLarge)
    );
}
