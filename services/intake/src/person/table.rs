//! Who may see what for which purpose, and by which article: a closed table (duties row 22, M6). Pure.
//!
//! The audit row names purpose and article of everything that was opened. Contact data come from the filing or the papers
//! and from nowhere else (M6), so [`DisclosePurpose::Notify`] is the only way to an address for a message.

use contracts::{Code, DisclosePurpose, Kind, PersonField, Service};

/// One row: this service may see these fields for this purpose.
struct Row {
    purpose: DisclosePurpose,
    asker: Service,
    fields: &'static [PersonField],
}

use PersonField::{
    Accommodation, Address, BirthDate, FormerAddresses, FormerNames, Hospitals, Kana, Mail, Name, Power,
    Representative, SafeContact, Sex, Standing, Visits, Words,
};

const TABLE: &[Row] = &[
    Row {
        purpose: DisclosePurpose::VerifyIdentity,
        asker: Service::Identity,
        fields: &[Name, Kana, BirthDate, Sex, Address, Representative, Standing, Power, FormerNames],
    },
    // E-mail carries a receipt reference and a link, nothing more: not even the name.
    Row { purpose: DisclosePurpose::Notify, asker: Service::Notification, fields: &[Mail] },
    Row {
        purpose: DisclosePurpose::EnterRegister,
        asker: Service::OptOut,
        fields: &[Name, Kana, BirthDate, Sex, Address, Hospitals],
    },
    Row {
        purpose: DisclosePurpose::PrepareAnswer,
        asker: Service::Fulfilment,
        fields: &[
            Name,
            Kana,
            BirthDate,
            Sex,
            Address,
            Words,
            Hospitals,
            Representative,
            FormerNames,
            FormerAddresses,
            Visits,
            Accommodation,
            SafeContact,
        ],
    },
    // The document of Act art. 53 names who asked; the register itself has no requester.
    Row { purpose: DisclosePurpose::PrepareAnswer, asker: Service::OptOut, fields: &[Name, Address, Representative] },
    Row { purpose: DisclosePurpose::ShowToStaff, asker: Service::Console, fields: PersonField::ALL },
];

/// The article under which it is allowed; `None` when it is not.
///
/// `by_staff`: a member of staff is named. Looking at a case page without one is nobody's business.
pub fn allowed(
    kind: Kind,
    purpose: DisclosePurpose,
    asker: Service,
    fields: &[PersonField],
    by_staff: bool,
) -> Option<Code> {
    let row = TABLE.iter().find(|row| row.purpose == purpose && row.asker == asker)?;
    let listed = !fields.is_empty() && fields.iter().all(|field| row.fields.contains(field));
    let fits = match purpose {
        DisclosePurpose::VerifyIdentity => kind.needs_identity(),
        DisclosePurpose::EnterRegister => kind.propagates(),
        DisclosePurpose::ShowToStaff => by_staff,
        DisclosePurpose::PrepareAnswer if asker == Service::OptOut => kind.propagates(),
        DisclosePurpose::PrepareAnswer | DisclosePurpose::Notify => true,
    };
    (listed && fits).then(|| article(kind, purpose))
}

/// The article that a purpose rests on. `act` is 429AC0000000028, `act-rules` 430M60000582001, `appi` 415AC0000000057,
/// `appi-order` 415CO0000000507.
pub fn article(kind: Kind, purpose: DisclosePurpose) -> Code {
    match purpose {
        // 請求等をする者が本人又は代理人であることの確認の方法.
        DisclosePurpose::VerifyIdentity => Code::of("appi-order-12-iii"),
        // The operator may not receive what was stopped.
        DisclosePurpose::EnterRegister => Code::of("act-56"),
        DisclosePurpose::Notify | DisclosePurpose::PrepareAnswer | DisclosePurpose::ShowToStaff => {
            Code::of(match kind {
                Kind::Disclosure => "appi-33-2",
                Kind::ThirdPartyRecords => "appi-33-5",
                Kind::Correction => "appi-34-2",
                Kind::Suspension => "appi-35-2",
                Kind::PurposeNotice => "appi-32-2",
                Kind::ProvisionStop => "act-56",
                Kind::Deletion => "act-20",
                Kind::Complaint => "act-29",
                Kind::Consultation => "act-rules-5-viii",
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_allowed_but_what_the_table_says() {
        let mut granted = 0;
        for purpose in DisclosePurpose::ALL {
            for asker in Service::ALL {
                for kind in Kind::ALL {
                    for field in PersonField::ALL {
                        granted += usize::from(allowed(*kind, *purpose, *asker, &[*field], true).is_some());
                    }
                }
            }
        }
        // identity: 9 fields × 7 kinds; notification: 1 × 9; register: 6 × 2; answer: 13 × 9, documents of stops: 3 × 2; staff: 17 × 9.
        assert_eq!(granted, 63 + 9 + 12 + 117 + 6 + 153);
    }

    #[test]
    fn each_purpose_has_one_asker_and_one_bad_field_spoils_the_whole() {
        let fields = [PersonField::Name];
        assert!(
            allowed(Kind::Disclosure, DisclosePurpose::VerifyIdentity, Service::Identity, &fields, false).is_some()
        );
        for asker in Service::ALL.iter().filter(|s| **s != Service::Identity) {
            assert_eq!(allowed(Kind::Disclosure, DisclosePurpose::VerifyIdentity, *asker, &fields, true), None);
        }
        let mixed = [PersonField::Mail, PersonField::Address];
        assert_eq!(allowed(Kind::Disclosure, DisclosePurpose::Notify, Service::Notification, &mixed, false), None);
        assert_eq!(allowed(Kind::Disclosure, DisclosePurpose::Notify, Service::Notification, &[], false), None);
    }

    #[test]
    fn purposes_exist_only_on_the_kinds_that_have_them() {
        let name = [PersonField::Name];
        for kind in Kind::ALL {
            let may = |purpose, asker, staff| allowed(*kind, purpose, asker, &name, staff).is_some();
            assert_eq!(may(DisclosePurpose::VerifyIdentity, Service::Identity, false), kind.needs_identity(), "{kind}");
            assert_eq!(may(DisclosePurpose::EnterRegister, Service::OptOut, false), kind.propagates(), "{kind}");
            assert!(!may(DisclosePurpose::ShowToStaff, Service::Console, false), "nobody is named");
            assert!(may(DisclosePurpose::ShowToStaff, Service::Console, true));
        }
    }

    #[test]
    fn payment_sees_nobody() {
        for purpose in DisclosePurpose::ALL {
            for field in PersonField::ALL {
                assert_eq!(allowed(Kind::Disclosure, *purpose, Service::Payment, &[*field], true), None);
            }
        }
    }
}
