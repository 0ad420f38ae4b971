//! What a supervisor is told through `NOTIFY_SOCKET` (`sd_notify(3)`).

use crate::support::http::Request;
use crate::support::server::Setup;
use crate::support::wait::PATIENCE;
use std::os::unix::net::UnixDatagram;

#[test]
fn a_supervisor_hears_when_the_service_answers_and_when_it_stops() {
    let setup = Setup::new();
    let path = setup.home().join("notify");
    let supervisor = UnixDatagram::bind(&path).unwrap();
    supervisor.set_read_timeout(Some(PATIENCE)).unwrap();
    let hear = || {
        let mut heard = [0; 512];
        let length = supervisor.recv(&mut heard).unwrap();
        String::from_utf8(heard[..length].to_vec()).unwrap()
    };
    let setup = setup.env("NOTIFY_SOCKET", &path.display().to_string());
    let mut server = setup.start();
    let status = format!("READY=1\nSTATUS=listening on http://{}\n", server.public);
    assert_eq!(hear(), status);
    server.send(&Request::get("/open")).expect(200);
    assert_eq!(server.stop().code(), Some(0));
    assert_eq!(hear(), "STOPPING=1\n");
}

#[test]
fn a_supervisor_who_is_gone_stops_nothing() {
    let mut server = Setup::new().env("NOTIFY_SOCKET", "/no/such/socket").start();
    server.send(&Request::get("/open")).expect(200);
    assert_eq!(server.stop().code(), Some(0));
    let warned = server
        .written()
        .matches("code=supervisor_unreachable")
        .count();
    assert_eq!(warned, 2);
}
