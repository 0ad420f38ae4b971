//! The sockets that systemd hands over (`sd_listen_fds(3)`): at most one for each listener.
//!
//! This room must never leave a socket aside that somebody may connect to: the connection would wait for
//! ever.

use super::failure::{self, Failure};
use lacre::internals::config::{Config, Listen};
use lacre::internals::http::server::{Listener, Listeners};
use rustix::io::{FdFlags, fcntl_setfd};
use std::fmt::Display;
use std::os::fd::OwnedFd;

/// What was handed over, and isn't taken yet.
#[derive(Debug, Default)]
pub(super) struct HandedOver {
    public: Option<OwnedFd>,
    management: Option<OwnedFd>,
    gateway: Option<OwnedFd>,
}

impl HandedOver {
    /// Takes them out of the environment, once and before anything else is opened.
    pub(super) fn take() -> Result<Self, Failure> {
        let sockets = sd_listen_fds::get().map_err(invalid)?;
        let mut open = Vec::new();
        let mut all_open = true;
        for (name, socket) in sockets {
            let socket = socket.into_std();
            if fcntl_setfd(&socket, FdFlags::CLOEXEC).is_ok() {
                open.push((name, socket));
            } else {
                // Nothing is open under this number: there is nothing of ours to close.
                std::mem::forget(socket);
                all_open = false;
            }
        }
        if !all_open {
            return Err(invalid("LISTEN_FDS names a socket that isn't open"));
        }
        let mut handed_over = Self::default();
        for (name, socket) in open {
            let place = match name.as_deref() {
                Some("management") => &mut handed_over.management,
                Some("gateway") => &mut handed_over.gateway,
                _ => &mut handed_over.public,
            };
            if place.replace(socket).is_some() {
                return Err(unclaimed(
                    "systemd hands over two sockets for one listener; the one of management_listen has \
                     the name `management` (FileDescriptorName=management), that of gateway.listen `gateway`",
                ));
            }
        }
        Ok(handed_over)
    }

    /// The listeners that the configuration asks for, on what was handed over or bound anew.
    pub(super) fn listeners(self, config: &Config) -> Result<Listeners, Failure> {
        let (listen, management) = (&config.listen, &config.management_listen);
        let gateway = match (&config.gateway.listen, self.gateway) {
            (Some(listen), handed_over) => Some(choose_set("gateway.listen", listen, handed_over)?),
            (None, None) => None,
            (None, Some(_)) => {
                return Err(unclaimed(
                    "systemd hands over a socket named `gateway`, and gateway.listen isn't set: make it \
                     `systemd`, or stop the socket unit",
                ));
            }
        };
        Ok(Listeners {
            gateway,
            public: choose("listen", listen, &Listen::PUBLIC, self.public)?,
            management: choose(
                "management_listen",
                management,
                &Listen::MANAGEMENT,
                self.management,
            )?,
        })
    }
}

/// A socket that was handed over takes the place of the default, and of no other address.
fn choose(
    key: &str,
    listen: &Listen,
    default: &Listen,
    handed_over: Option<OwnedFd>,
) -> Result<Listener, Failure> {
    match handed_over {
        Some(socket) if listen == default => Ok(Listener::adopt(socket)?),
        other => choose_set(key, listen, other),
    }
}

/// A socket that was handed over takes the place of no address.
fn choose_set(
    key: &str,
    listen: &Listen,
    handed_over: Option<OwnedFd>,
) -> Result<Listener, Failure> {
    match handed_over {
        Some(socket) if *listen == Listen::Systemd => Ok(Listener::adopt(socket)?),
        Some(_) => Err(unclaimed(format_args!(
            "systemd hands over a socket for {key}, which is `{listen}`: make it `systemd`, or stop \
             the socket unit"
        ))),
        None if *listen == Listen::Systemd => Err(Failure::new(
            failure::CONFIG,
            "socket_missing",
            format_args!("{key} = `systemd`, and systemd hands over no socket for it"),
        )),
        None => Ok(Listener::bind(listen)?),
    }
}

fn unclaimed(why: impl Display) -> Failure {
    Failure::new(failure::CONFIG, "socket_unclaimed", why)
}

fn invalid(why: impl Display) -> Failure {
    let text = format_args!("the environment's LISTEN_FDS and LISTEN_PID: {why}").to_string();
    Failure::new(failure::CONFIG, "socket_environment", text)
}
