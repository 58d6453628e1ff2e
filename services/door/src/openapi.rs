//! `/openapi.json`: the description of the public API (OpenAPI 3.1), made from the code.
//!
//! Paths and documents of the door come from `utoipa`; the status document is the contract's own JSON Schema, so that it
//! cannot drift from what intake writes.

use crate::{api, mail, problem, request};
use contracts::{Capacity, Kind, Language, Scope, desk::StatusView};
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};
use utoipa::{OpenApi, ToSchema};

/// 請求書: one request of one kind for one person.
#[derive(ToSchema)]
#[schema(example = json!({
    "kind": "provision-stop", "capacity": "person", "scope": "both", "language": "ja",
    "person": {"name": "見本 花子", "kana": "ミホン ハナコ", "birth_date": "1980-04-01", "sex": "female",
        "address": "東京都文京区本駒込0-0-0", "mail": "hanako@example.jp"},
    "hospitals": ["見本総合病院", {"name": "見本医院", "period": "2019年ごろ"}]}))]
#[expect(dead_code, reason = "a schema, never a value: bodies are read by hand (see draft.rs)")]
pub struct NewRequest {
    /// 請求の種類.
    kind: String,
    /// 資格: in what role you act. Default: `person`.
    capacity: Option<String>,
    /// 停止の範囲, on `provision-stop` only. Default: `both`.
    scope: Option<String>,
    /// The language of messages to the person. Default: `ja`.
    language: Option<String>,
    /// 本人: whom the data is about.
    person: Party,
    /// 代理人・遺族: needed if and only if the capacity is another than `person`.
    representative: Option<Party>,
    /// The request in the person's own words. Needed on corrections, complaints and consultations; a suspension without
    /// them, that is without a ground, is taken as a stop of provision, and the receipt says so.
    #[schema(max_length = 2000)]
    words: Option<String>,
    /// Hospitals as far as known, each a name or an object with more; it helps to find the data and is never needed.
    #[schema(max_items = 10)]
    hospitals: Option<Vec<Hospital>>,
    /// 資格の事情: what the capacity needs. What is left out is asked by the staff.
    standing: Option<Standing>,
    /// 旧氏名, of 80 characters at most each.
    #[schema(max_items = 3)]
    former_names: Option<Vec<String>>,
    /// 以前の住所, of 200 characters at most each.
    #[schema(max_items = 3)]
    former_addresses: Option<Vec<String>>,
    /// 合理的配慮: the arrangement that the person needs.
    #[schema(max_length = 300)]
    accommodation: Option<String>,
    /// 連絡の配慮: who must not learn of the request, and how contact may be made.
    #[schema(max_length = 300)]
    safe_contact: Option<String>,
}

/// 資格の事情. Only what belongs to the capacity is kept.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a schema, never a value")]
pub struct Standing {
    /// 続柄, of a bereaved relative: the six relations of Order art. 11; a common-law spouse counts as a spouse.
    relation: Option<String>,
    /// もう1人の親権者, of a parent (Civil Code art. 824-2).
    other_parent: Option<String>,
    /// Why the other parent does not take part; needed where that is said.
    #[schema(max_length = 300)]
    reason: Option<String>,
    /// 代理権の範囲, of a curator or assistant: the power that covers the request.
    #[schema(max_length = 300)]
    power: Option<String>,
    /// Whether an agent is a lawyer.
    agent: Option<String>,
    /// 受領の権限: whether the mandate includes receiving the result.
    receipt: Option<String>,
}

/// 医療機関, with what is known of the time there.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a schema, never a value")]
pub struct Hospital {
    /// Its name as far as known.
    #[schema(max_length = 100)]
    name: String,
    /// 時期, in any way of writing.
    #[schema(max_length = 60)]
    period: Option<String>,
    /// 診察券番号. Never a health insurance number.
    #[schema(max_length = 30)]
    patient_number: Option<String>,
}

/// One person. Names are kept as they are written; do not replace characters by similar ones.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a schema, never a value")]
pub struct Party {
    /// 氏名, as on the identity document.
    #[schema(max_length = 80)]
    name: String,
    /// 氏名の振り仮名. Needed for the person unless the name is in Latin letters or nothing is to be searched (complaints, consultations).
    #[schema(max_length = 80)]
    kana: Option<String>,
    /// 生年月日, `YYYY-MM-DD` (Japanese eras are read as well). Needed for the person as above.
    #[schema(max_length = 100, example = "1980-04-01")]
    birth_date: Option<String>,
    /// 性別.
    sex: Option<String>,
    /// 住所. Needed for a representative, and for the person as above.
    #[schema(max_length = 200)]
    address: Option<String>,
    /// 電子メールアドレス: for notices without content.
    #[schema(max_length = 254, format = Email)]
    mail: Option<String>,
    /// 電話番号.
    #[schema(max_length = 30)]
    telephone: Option<String>,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Madoguchi public desk", description = "Requests about medical data of a certified operator: disclosure (個人情報保護法) and stops of provision (次世代医療基盤法). The easier route for a stop is the hospital itself: by word of mouth, without papers (Rules art. 47)."),
    paths(api::file, api::status, api::withdraw, mail::take),
    components(schemas(NewRequest, Party, Standing, Hospital, api::ReceiptDocument, api::WithdrawalDocument, mail::ArrivedDocument, problem::ProblemDocument, problem::ErrorItem)),
    tags(
        (name = "requests", description = "Filing a request, seeing how it stands, taking it back."),
        (name = "mail", description = "For the organisation's own mail host: bringing mails that people wrote to the desk.")
    )
)]
struct Description;

/// The whole document.
pub fn document(base_url: &str) -> Value {
    let mut document = serde_json::to_value(Description::openapi()).unwrap_or_default();
    if !base_url.is_empty() {
        document["servers"] = json!([{ "url": base_url }]);
    }
    document["components"]["securitySchemes"]["access_code"] = json!({
        "type": "http", "scheme": "bearer", "bearerFormat": "XXXX-XXXX-XXXX-XXXX",
        "description": "照会用暗証, given once at filing. Hyphens, spaces and case do not matter."});
    document["components"]["securitySchemes"]["client_key"] = json!({
        "type": "http", "scheme": "bearer",
        "description": "The key of a system of the operator's own, from `madoguchi client add`."});
    let schemas = &mut document["components"]["schemas"];
    for (schema, field, words) in closed_lists() {
        schemas[schema]["properties"][field]["enum"] = json!(words);
    }
    schemas["NewRequest"]["properties"]["hospitals"]["items"] =
        json!({"oneOf": [{"type": "string", "maxLength": 100}, {"$ref": "#/components/schemas/Hospital"}]});
    for schema in ["NewRequest", "Party", "Standing", "Hospital"] {
        schemas[schema]["additionalProperties"] = json!(false);
    }
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let reference = generator.subschema_for::<StatusView>();
    for (name, schema) in generator.take_definitions(true) {
        schemas[name] = schema;
    }
    document["paths"]["/api/v1/requests/{receipt_number}"]["get"]["responses"]["200"]["content"] =
        json!({"application/json": {"schema": reference, "example": status_example()}});
    document
}

/// The fields that hold a word of a closed list, with the list of the contract.
fn closed_lists() -> [(&'static str, &'static str, Vec<&'static str>); 9] {
    let standing = |list: &[contracts::Standing]| list.iter().map(|w| w.as_str()).collect();
    [
        ("NewRequest", "kind", Kind::ALL.iter().map(|w| w.as_str()).collect()),
        ("NewRequest", "capacity", Capacity::ALL.iter().map(|w| w.as_str()).collect()),
        ("NewRequest", "scope", Scope::ALL.iter().map(|w| w.as_str()).collect()),
        ("NewRequest", "language", Language::ALL.iter().map(|w| w.as_str()).collect()),
        ("Party", "sex", vec!["male", "female", "other"]),
        ("Standing", "relation", standing(request::RELATIONS)),
        ("Standing", "other_parent", standing(request::OTHER_PARENT)),
        ("Standing", "agent", standing(request::AGENTS)),
        ("Standing", "receipt", standing(request::RECEIPT)),
    ]
}

fn status_example() -> Value {
    json!({"receipt_number": "M-0000-0000-0000", "kind": "disclosure", "received_at": "2026-11-22T01:23:45.678901Z",
        "step": "awaiting-fee", "since": "2026-11-24T02:00:00Z", "suit_from": "2026-12-07",
        "fee": {"amount": 4000, "reference": "1000000014", "due_on": "2026-12-24", "paid": false}})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draft;

    #[test]
    fn is_3_1_and_every_reference_leads_somewhere() {
        let document = document("https://madoguchi.example.jp");
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        let text = document.to_string();
        let mut seen = 0;
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
            seen += 1;
        }
        assert!(seen > 10, "{seen}");
        for path in [
            "/api/v1/requests",
            "/api/v1/requests/{receipt_number}",
            "/api/v1/requests/{receipt_number}/withdrawal",
            "/api/v1/mail",
        ] {
            assert!(document["paths"][path].is_object(), "{path}");
        }
    }

    #[test]
    fn its_examples_are_taken_by_the_door() {
        let document = document("");
        let example = serde_json::to_vec(&document["components"]["schemas"]["NewRequest"]["example"]).unwrap();
        let (draft, shape) = draft::from_json(&example).unwrap();
        assert_eq!(shape, []);
        let today = jiff::civil::date(2026, 11, 22);
        let rules = filing::ages::Ages::default().rules(today);
        assert!(request::check(&draft, today, rules).is_ok());
        assert!(serde_json::from_value::<StatusView>(status_example()).is_ok());
    }

    #[test]
    fn the_described_fields_are_the_fields_that_are_read() {
        let document = document("");
        for (schema, known) in [
            ("NewRequest", draft::TOP),
            ("Party", draft::PARTY),
            ("Standing", draft::STANDING),
            ("Hospital", draft::HOSPITAL),
        ] {
            let described = document["components"]["schemas"][schema]["properties"].as_object().unwrap();
            let mut known: Vec<_> = known.to_vec();
            known.sort_unstable();
            let mut described: Vec<_> = described.keys().map(String::as_str).collect();
            described.sort_unstable();
            assert_eq!(described, known);
        }
    }
}
