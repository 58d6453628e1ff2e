//! Free ports for servers.
//!
//! Ports are taken from *outside* the range that the kernel gives to outgoing connections: inside it, a client that keeps
//! reconnecting to a stopped server on loopback will sooner or later get that very port as its own source port and be
//! connected to itself, and then the server cannot have its port back. A port that somebody else takes between our look
//! and the server's start shows as "address already in use", and the start is tried again with another.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;

use crate::Error;

const TRIES: u32 = 200;

/// A port of 127.0.0.1 that nobody listens on at this moment.
pub(crate) fn free_port() -> Result<u16, Error> {
    let kernel = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let range = outside(&kernel);
    let width = u32::from(range.end() - range.start()) + 1;
    for _ in 0..TRIES {
        let mut random = [0_u8; 4];
        getrandom::fill(&mut random)
            .map_err(|e| Error::Environment(format!("the operating system gives no random bytes: {e}")))?;
        let offset = u16::try_from(u32::from_le_bytes(random) % width).unwrap_or(0);
        let port = range.start() + offset;
        if is_free(port) {
            return Ok(port);
        }
    }
    Err(Error::Environment(format!(
        "no free port between {} and {} on 127.0.0.1 after {TRIES} tries; end other servers",
        range.start(),
        range.end()
    )))
}

/// Refuses a port that was asked for by number and is taken.
pub(crate) fn require_free(port: u16) -> Result<(), Error> {
    if is_free(port) {
        return Ok(());
    }
    Err(Error::Environment(format!(
        "port {port} of 127.0.0.1 is taken; end the server that listens there, or give another port"
    )))
}

/// True when nobody listens on this port of 127.0.0.1.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The widest of the ranges below and above the kernel's own (usually 32768 to 60999).
fn outside(kernel: &str) -> RangeInclusive<u16> {
    let mut numbers = kernel.split_whitespace().filter_map(|n| n.parse::<u16>().ok());
    let (low, high) = (numbers.next().unwrap_or(32_768), numbers.next().unwrap_or(60_999));
    let below = 15_000..=low.saturating_sub(1);
    let above = high.saturating_add(1)..=65_535;
    let width = |range: &RangeInclusive<u16>| range.end().saturating_sub(*range.start());
    match (width(&below), width(&above)) {
        (b, a) if b >= a && b >= 500 => below,
        (_, a) if a >= 500 => above,
        _ => 15_000..=65_535, // the kernel's range is everything: no better choice
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_range_is_avoided() {
        assert_eq!(outside("32768\t60999\n"), 15_000..=32_767);
        assert_eq!(outside("10000 50000"), 50_001..=65_535);
        assert_eq!(outside("1024 65535"), 15_000..=65_535);
        assert_eq!(outside(""), 15_000..=32_767);
    }

    #[test]
    fn a_port_in_use_is_not_free() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(!is_free(port));
        assert!(require_free(port).unwrap_err().to_string().contains(&port.to_string()));
        assert!(free_port().unwrap() >= 15_000);
    }
}
