//! Ports for those who have to know theirs before they listen.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Below those that the system gives to outgoing connections (`net.ipv4.ip_local_port_range`): none of those takes one meanwhile.
const FIRST: u32 = 10_000;
const COUNT: u32 = 20_000;

/// How many a process takes, more or less. Another one that runs at the same time begins elsewhere.
const OF_A_PROCESS: u32 = 16;

/// A port that nobody listens on, on either of the machine's own addresses. None is given twice.
pub(crate) fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id() % (COUNT / OF_A_PROCESS) * OF_A_PROCESS;
    for _ in 0..COUNT {
        let port = FIRST + (start + GIVEN.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(port).unwrap();
        if is_free(port) {
            return port;
        }
    }
    panic!("each of {COUNT} ports is taken");
}

fn is_free(port: u16) -> bool {
    let addresses = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
    // A machine may well do without one of them.
    let is_taken = |error: std::io::Error| error.kind() == ErrorKind::AddrInUse;
    !addresses.into_iter().any(|address| TcpListener::bind((address, port)).is_err_and(is_taken))
}
