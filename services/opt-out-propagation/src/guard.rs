//! Where a webhook may not go: an address inside somebody's own network. Pure.
//!
//! Checked at registration and again for every new connection, on the very addresses that are dialled: a name that
//! resolves to one forbidden address is refused as a whole, so that an attacker cannot mix.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use url::Url;

/// The longest URL.
pub const URL_MAX: usize = 2048;

/// Why an address is no endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    /// Not a URL.
    #[error("endpoint URL: not an absolute URL of at most {URL_MAX} characters")]
    NotAUrl,
    /// Not https.
    #[error("endpoint URL: https is needed")]
    NotHttps,
    /// User name or password in it, or a fragment.
    #[error("endpoint URL: without user name, password and fragment")]
    Credentials,
    /// The host is an address that may not be reached.
    #[error(
        "endpoint URL: the host is a private or special address; `optout.allow_private_endpoints` allows private ones"
    )]
    Address,
}

/// Reads an endpoint's URL.
///
/// # Errors
/// See [`NotAllowed`]. Plain http is for private endpoints (the demo, tests) only.
pub fn url(text: &str, allow_private: bool) -> Result<Url, NotAllowed> {
    if text.len() > URL_MAX {
        return Err(NotAllowed::NotAUrl);
    }
    let url = Url::parse(text).map_err(|_| NotAllowed::NotAUrl)?;
    match url.scheme() {
        "https" => {}
        "http" if allow_private => {}
        _ => return Err(NotAllowed::NotHttps),
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(NotAllowed::Credentials);
    }
    let host = url.host_str().ok_or(NotAllowed::NotAUrl)?;
    // Connectors skip the resolver for literals, so they are looked at here.
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match literal {
        Ok(address) if !may_reach(address, allow_private) => Err(NotAllowed::Address),
        _ => Ok(url),
    }
}

/// Whether an address may be dialled.
pub fn may_reach(address: IpAddr, allow_private: bool) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => !never_v4(v4) && (allow_private || !private_v4(v4)),
        IpAddr::V6(v6) => !never_v6(v6) && (allow_private || !private_v6(v6)),
    }
}

/// Loopback and private use: for configurations that say so.
fn private_v4(a: Ipv4Addr) -> bool {
    a.is_loopback() || a.is_private()
}
fn private_v6(a: Ipv6Addr) -> bool {
    // fc00::/7
    a.is_loopback() || a.segments()[0] & 0xfe00 == 0xfc00
}

/// IANA's special-purpose registry: link-local with the clouds' metadata services, shared, test, multicast, reserved.
fn never_v4(a: Ipv4Addr) -> bool {
    let [b0, b1, b2, _] = a.octets();
    match b0 {
        0 | 224..=255 => true,
        100 => b1 & 0xc0 == 64,
        169 => b1 == 254,
        192 => (b1 == 0 && (b2 == 0 || b2 == 2)) || (b1 == 88 && b2 == 99),
        198 => b1 & 0xfe == 18 || (b1 == 51 && b2 == 100),
        203 => b1 == 0 && b2 == 113,
        _ => false,
    }
}

/// What is no global unicast, and every form that carries an IPv4 address inside (NAT64, 6to4, Teredo, compatible).
fn never_v6(a: Ipv6Addr) -> bool {
    let s = a.segments();
    let embedded = s[..6] == [0; 6] && !a.is_loopback();
    embedded
        || s[..2] == [0x64, 0xff9b]
        || s[..4] == [0x100, 0, 0, 0]
        || (s[0] == 0x2001 && s[1] < 0x200)
        || s[..2] == [0x2001, 0xdb8]
        || s[0] == 0x2002
        || (s[0] == 0x3fff && s[1] < 0x1000)
        || s[0] == 0x5f00
        || s[0] & 0xffc0 == 0xfe80
        || s[0] & 0xffc0 == 0xfec0
        || s[0] >= 0xff00
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_inside_networks_are_not_reached() {
        for never in [
            "0.0.0.0",
            "100.64.0.1",
            "169.254.169.254",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.5",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "::127.0.0.1",
            "5f00::1",
        ] {
            assert!(!may_reach(never.parse().unwrap(), true), "{never}");
        }
        for private in ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "::1", "fd00::1", "::ffff:10.0.0.1"] {
            assert!(!may_reach(private.parse().unwrap(), false), "{private}");
            assert!(may_reach(private.parse().unwrap(), true), "{private}");
        }
        for public in ["93.184.216.34", "172.32.0.1", "192.0.1.1", "198.20.0.1", "2600::1", "2001:4860:4860::8888"] {
            assert!(may_reach(public.parse().unwrap(), false), "{public}");
        }
    }

    #[test]
    fn urls_are_https_without_credentials_and_literals_are_looked_at() {
        assert!(url("https://contractor.example/hook?x=1", false).is_ok());
        assert_eq!(url("http://contractor.example/", false), Err(NotAllowed::NotHttps));
        assert!(url("http://127.0.0.1:8080/madoguchi", true).is_ok());
        assert_eq!(url("https://127.0.0.1/", false), Err(NotAllowed::Address));
        // Other spellings of the same address are normalised by the URL parser.
        assert_eq!(url("https://0x7f.1/", false), Err(NotAllowed::Address));
        assert_eq!(url("https://2130706433/", false), Err(NotAllowed::Address));
        assert_eq!(url("https://[::ffff:127.0.0.1]/", false), Err(NotAllowed::Address));
        assert_eq!(url("https://169.254.169.254/latest", true), Err(NotAllowed::Address));
        assert_eq!(url("https://u:p@contractor.example/", false), Err(NotAllowed::Credentials));
        assert_eq!(url("https://contractor.example/#x", false), Err(NotAllowed::Credentials));
        assert_eq!(url("file:///etc/passwd", true), Err(NotAllowed::NotHttps));
        assert_eq!(url("nonsense", true), Err(NotAllowed::NotAUrl));
        assert_eq!(url(&format!("https://a.example/{}", "a".repeat(URL_MAX)), false), Err(NotAllowed::NotAUrl));
    }
}
