//! 契約の版の入力欄: what it shows at first, and what was filled in.

use super::guard::Fields;
use contracts::{Code, ContractItem, Date, Diligence, Scope, forms::Forms, register::Contract};

/// What the form shows before anybody types: the contract in force, or what is usual. A new version changes little, and
/// what nobody touched must not change by being forgotten; only its days are always new.
pub(super) struct Shown<'a> {
    pub scope: Scope,
    pub stop: Diligence,
    pub erase: Diligence,
    pub forms: Forms,
    items: &'a [(ContractItem, Code)],
}

impl<'a> Shown<'a> {
    pub fn of(in_force: Option<&'a Contract>) -> Self {
        match in_force {
            Some(c) => Self { scope: c.scope, stop: c.stop, erase: c.erase, forms: c.forms, items: &c.items },
            None => Self {
                scope: Scope::Both,
                stop: Diligence::WithoutDelay,
                erase: Diligence::WithoutDelay,
                forms: Forms::default(),
                items: &[],
            },
        }
    }
    /// Where in the contract the item stands.
    pub fn item(&self, item: &ContractItem) -> &'a str {
        self.items.iter().find(|(i, _)| i == item).map_or("", |(_, place)| place.as_str())
    }
}

/// The seven items, as the form has them; an empty field is a missing item. Pure.
pub(super) fn read(fields: &Fields) -> Result<Option<Contract>, &'static str> {
    let items: Vec<(ContractItem, Code)> = ContractItem::ALL
        .iter()
        .filter_map(|item| Some((*item, fields.parsed(&format!("item-{}", item.as_str()))?)))
        .collect();
    let Some(from) = fields.parsed::<Date>("contract_from") else {
        return if items.is_empty() { Ok(None) } else { Err("contract-from-none") };
    };
    Ok(Some(Contract {
        scope: fields.parsed("contract_scope").ok_or("scope-none")?,
        from,
        until: fields.parsed("contract_until"),
        stop: fields.parsed("contract_stop").unwrap_or(Diligence::WithoutDelay),
        erase: fields.parsed("contract_erase").unwrap_or(Diligence::WithoutDelay),
        items,
        forms: Forms {
            identifiers: fields.parsed("contract_identifiers").unwrap_or_default(),
            representation: fields.parsed("contract_representation").unwrap_or_default(),
            signatures: fields.parsed("contract_signatures").unwrap_or_default(),
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::{IdentifiersAs, Representation, SignaturesAs};

    #[test]
    fn a_contract_has_the_items_that_were_filled_in() {
        assert_eq!(read(&Fields::of(&[])), Ok(None), "none is given");
        let mut fields =
            vec![("contract_from", "2026-04-01"), ("contract_scope", "both"), ("contract_stop", "promptly")];
        let names: Vec<String> = ContractItem::ALL.iter().map(|i| format!("item-{}", i.as_str())).collect();
        fields.extend(names.iter().map(|name| (name.as_str(), "article-3")));
        let whole = read(&Fields::of(&fields)).unwrap().unwrap();
        assert_eq!((whole.missing(), whole.stop, whole.erase), (None, Diligence::Promptly, Diligence::WithoutDelay));
        fields.retain(|(name, _)| *name != "item-reports");
        assert_eq!(read(&Fields::of(&fields)).unwrap().unwrap().missing(), Some(ContractItem::Reports));
        assert_eq!(read(&Fields::of(&[("item-reports", "article-3")])), Err("contract-from-none"));
    }

    /// Sent back as it was shown, with new days, the form is the contract that it was filled in from.
    #[test]
    fn a_new_version_begins_as_the_one_in_force() {
        let held = Contract {
            scope: Scope::Anonymised,
            from: "2025-04-01".parse().unwrap(),
            until: None,
            stop: Diligence::Promptly,
            erase: Diligence::WithoutDelay,
            items: ContractItem::ALL.iter().map(|item| (*item, Code::of("article-3"))).collect(),
            forms: Forms {
                identifiers: IdentifiersAs::KeyedHashes,
                representation: Representation::FhirConsent,
                signatures: SignaturesAs::Hmac,
            },
        };
        let shown = Shown::of(Some(&held));
        let items = ContractItem::ALL.iter().map(|i| (format!("item-{}", i.as_str()), shown.item(i)));
        let mut fields: Vec<(String, String)> = items.map(|(name, place)| (name, place.to_owned())).collect();
        for (name, value) in [
            ("from", "2026-04-01"),
            ("scope", shown.scope.as_str()),
            ("stop", shown.stop.as_str()),
            ("erase", shown.erase.as_str()),
            ("identifiers", shown.forms.identifiers.as_str()),
            ("representation", shown.forms.representation.as_str()),
            ("signatures", shown.forms.signatures.as_str()),
        ] {
            fields.push((format!("contract_{name}"), value.to_owned()));
        }
        let again = read(&Fields(fields)).unwrap().unwrap();
        assert_eq!(again, Contract { from: "2026-04-01".parse().unwrap(), ..held });
        let none = Shown::of(None);
        assert_eq!((none.scope, none.item(&ContractItem::Reports)), (Scope::Both, ""));
    }
}
