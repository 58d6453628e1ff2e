//! The register of everyone who handles personal data for the desk (委託先の監督: APPI art. 25, 28; Act art. 24(1)). Pure.
//!
//! An address in the configuration that is not on this machine must have an entry; one abroad needs a basis; one that
//! holds medical content must be a certified contractor, unless what it holds is sealed and somebody answered for that.

use jiff::civil::Date;
use serde::Deserialize;

/// `[processors]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// One entry per address.
    #[serde(default)]
    pub entry: Vec<Processor>,
}

/// One processor (委託先).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Processor {
    /// The host as it stands in the configuration, without port.
    pub host: String,
    /// Who it is.
    pub organisation: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// For one abroad: consent or an equivalent set-up, with its reference (APPI art. 28(1)).
    #[serde(default)]
    pub basis_abroad: String,
    /// The contract's reference.
    pub contract: String,
    /// When it was last checked (必要かつ適切な監督).
    pub checked_on: Date,
    /// 認定医療情報等取扱受託事業者.
    #[serde(default)]
    pub certified: bool,
    /// Who decided, and when, that sealed bytes may lie there although it is not certified.
    #[serde(default)]
    pub sealed_bytes_allowed_by: String,
}

/// One use of an address by the configuration.
#[derive(Clone, Debug)]
pub struct Use {
    /// The setting.
    pub setting: &'static str,
    /// A URL or `host:port`; empty: not used.
    pub address: String,
    /// Whether medical content of the certified business may lie or pass there (Act art. 24(1)).
    pub medical_content: bool,
}

/// How old the last check may be, in days.
const CHECK_DAYS: i32 = 366;

/// The host of a URL or of `host:port`.
fn host(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, r)| r);
    let rest = rest.split(['/', '?']).next().unwrap_or_default();
    let rest = rest.rsplit_once('@').map_or(rest, |(_, h)| h);
    match rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
        Some((v6, _)) => v6,
        None => rest.split(':').next().unwrap_or_default(),
    }
}

fn is_this_machine(host: &str) -> bool {
    matches!(host, "" | "localhost" | "::1") || host.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

/// What is wrong with the register for these uses; each finding names the setting, the host and the remedy.
pub fn findings(register: &Register, uses: &[Use], today: Date) -> Vec<String> {
    let mut wrong = vec![];
    for u in uses.iter().filter(|u| !is_this_machine(host(&u.address))) {
        let (setting, host) = (u.setting, host(&u.address));
        let Some(p) = register.entry.iter().find(|p| p.host == host) else {
            wrong.push(format!("`{setting}`: {host} handles personal data and is not in the register; add a [[processors.entry]] with host = \"{host}\" (APPI art. 25)"));
            continue;
        };
        if p.country != "JP" && p.basis_abroad.is_empty() {
            wrong.push(format!(
                "`{setting}`: {host} is in {} without a basis; enter `basis_abroad` (APPI art. 28(1))",
                p.country
            ));
        }
        if u.medical_content && !p.certified && p.sealed_bytes_allowed_by.is_empty() {
            wrong.push(format!("`{setting}`: {host} is no certified contractor; medical content may not lie there, and `sealed_bytes_allowed_by` is empty (Act art. 24(1))"));
        }
        let age = p.checked_on.until(today).map_or(i32::MAX, |s| s.get_days());
        if age > CHECK_DAYS {
            wrong.push(format!(
                "`{setting}`: {host} was last checked on {}; check it and enter the day (APPI art. 25)",
                p.checked_on
            ));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn entry(host: &str) -> Processor {
        Processor {
            host: host.into(),
            organisation: "Mail KK".into(),
            country: "JP".into(),
            basis_abroad: String::new(),
            contract: "2026-17".into(),
            checked_on: date(2026, 4, 1),
            certified: false,
            sealed_bytes_allowed_by: String::new(),
        }
    }
    fn mail(address: &str) -> Use {
        Use { setting: "notification.smtp_url", address: address.into(), medical_content: false }
    }
    const TODAY: Date = date(2026, 11, 22);

    #[test]
    fn a_mail_host_without_entry_is_named() {
        let found = findings(&Register::default(), &[mail("smtps://u:p@mail.example:465")], TODAY);
        assert!(
            found.len() == 1 && found[0].contains("mail.example") && found[0].contains("notification.smtp_url"),
            "{found:?}"
        );
        assert!(
            findings(&Register { entry: vec![entry("mail.example")] }, &[mail("smtps://u:p@mail.example:465")], TODAY)
                .is_empty()
        );
    }

    #[test]
    fn one_abroad_needs_a_basis() {
        let mut abroad = entry("mail.example");
        abroad.country = "US".into();
        assert!(
            findings(&Register { entry: vec![abroad.clone()] }, &[mail("mail.example:25")], TODAY)[0]
                .contains("art. 28")
        );
        abroad.basis_abroad = "equivalent set-up 2026-3".into();
        assert!(findings(&Register { entry: vec![abroad] }, &[mail("mail.example:25")], TODAY).is_empty());
    }

    #[test]
    fn medical_content_goes_to_certified_contractors_or_sealed_and_answered_for() {
        let store =
            Use { setting: "house.objects_dir", address: "s3://store.example/bucket".into(), medical_content: true };
        let mut p = entry("store.example");
        assert!(
            findings(&Register { entry: vec![p.clone()] }, std::slice::from_ref(&store), TODAY)[0]
                .contains("no certified contractor")
        );
        p.sealed_bytes_allowed_by = "information security officer, 2026-10-01".into();
        assert!(findings(&Register { entry: vec![p] }, &[store], TODAY).is_empty());
    }

    #[test]
    fn this_machine_needs_no_entry_and_a_stale_check_is_found() {
        assert!(
            findings(
                &Register::default(),
                &[mail("smtp://127.0.0.1:2525"), mail(""), mail("nats://[::1]:4222")],
                TODAY
            )
            .is_empty()
        );
        let mut old = entry("mail.example");
        old.checked_on = date(2024, 1, 1);
        assert!(findings(&Register { entry: vec![old] }, &[mail("mail.example")], TODAY)[0].contains("last checked"));
    }
}
