//! Disclosing and searching: only what the table allows, audited first, sealed to the asker.

use super::*;
use contracts::{
    Code, DisclosePurpose, PersonField, Sealed, StaffId,
    request::{Disclose, DisclosedReply, FoundCases, Request, SearchCases},
};
use privacy::seal_to;

/// Asks as another service, over NATS.
pub async fn ask<R: Request>(desk: &Desk, as_service: &str, request: &R) -> R::Reply {
    let client = desk.rt.nats(as_service).await.unwrap();
    let body = serde_json::to_vec(request).unwrap();
    let reply = eventually("an answer", || async {
        client.request(R::ENTRY.subject(), body.clone().into()).await.map_err(|e| e.to_string())
    })
    .await;
    serde_json::from_slice(&reply.payload).unwrap_or_else(|e| panic!("{e}: {:?}", reply.payload))
}

pub fn wish(case: CaseId, asker: &'static str, purpose: DisclosePurpose, fields: &[PersonField]) -> Disclose {
    Disclose { case, asker: Code::of(asker), purpose, fields: fields.to_vec(), cause: Uuid::now_v7(), staff: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_sealed_to_the_asker_and_audited_with_purpose_and_article() {
    let desk = Desk::open().await;
    let identity = ServiceKey::load_or_create(desk.rt.keys_dir(), "identity").unwrap();
    let someone = Someone::new(Kind::Disclosure);
    let case = desk.request_of(&someone).await;
    let asked = wish(case, "identity", DisclosePurpose::VerifyIdentity, &[PersonField::Name, PersonField::BirthDate]);
    let DisclosedReply::Values { sealed } = ask(&desk, "identity", &asked).await else { panic!("no values") };
    let opened = identity.open(case.0.as_bytes(), &sealed.0).unwrap().json::<serde_json::Value>().unwrap();
    let expected = serde_json::json!({ "name": "山田標識", "birth-date": "1980-04-05" });
    assert_eq!(opened.disclose(Purpose::VerifyIdentity), &expected);
    assert!(identity.open(b"another case", &sealed.0).is_err());

    let row: (String, String, String, Vec<String>, Uuid, String) =
        sqlx::query_as("select asker, purpose, article, fields, cause, result from intake.audit")
            .fetch_one(&desk.admin)
            .await
            .unwrap();
    let fields = vec!["name".to_owned(), "birth-date".to_owned()];
    let words = |s: &str| s.to_owned();
    let expected = (
        words("identity"),
        words("verify-identity"),
        words("appi-order-12-iii"),
        fields,
        asked.cause,
        words("granted"),
    );
    assert_eq!(row, expected);
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_table_does_not_allow_is_refused_and_audited_and_an_unknown_case_is_unknown() {
    let desk = Desk::open().await;
    let someone = Someone::new(Kind::Consultation);
    let case = desk.request_of(&someone).await;
    let wishes = [
        wish(case, "identity", DisclosePurpose::VerifyIdentity, &[PersonField::Name]),
        wish(case, "identity", DisclosePurpose::Notify, &[PersonField::Mail]),
        wish(case, "nobody", DisclosePurpose::Notify, &[PersonField::Mail]),
    ];
    for asked in wishes {
        let reply = ask(&desk, "identity", &asked).await;
        assert!(matches!(reply, DisclosedReply::Forbidden), "{asked:?}: {reply:?}");
    }
    assert_eq!(desk.count("select count(*) from intake.audit where result = 'forbidden'").await, 2);
    let unknown = wish(CaseId::new(), "identity", DisclosePurpose::VerifyIdentity, &[PersonField::Name]);
    assert!(matches!(ask(&desk, "identity", &unknown).await, DisclosedReply::Unknown));
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_changes_the_audit() {
    let desk = Desk::open().await;
    let someone = Someone::new(Kind::Disclosure);
    let case = desk.request_of(&someone).await;
    ServiceKey::load_or_create(desk.rt.keys_dir(), "identity").unwrap();
    ask(&desk, "identity", &wish(case, "identity", DisclosePurpose::VerifyIdentity, &[PersonField::Name])).await;
    for sql in ["update intake.audit set asker = 'x'", "delete from intake.audit", "truncate intake.audit"] {
        let error = sqlx::query(sql).execute(&desk.admin).await.unwrap_err().to_string();
        assert!(error.contains("never changed"), "{sql}: {error}");
    }
    assert_eq!(desk.count("select count(*) from intake.audit").await, 1);
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_found_by_whole_values_newest_first() {
    let desk = Desk::open().await;
    let (first, second) = (Someone::new(Kind::Complaint), Someone::new(Kind::Disclosure));
    desk.request_of(&first).await;
    desk.request_of(&second).await;
    let key = ServiceKey::load_or_create(desk.rt.keys_dir(), "intake").unwrap().public();
    let search = |field, term: &str| {
        let staff = StaffId::new();
        let term = seal_to(&key, staff.0.as_bytes(), term.as_bytes()).unwrap();
        SearchCases { field, term, staff }
    };
    let both = [second.case, first.case];
    let ways = [
        (PersonField::Name, "山田 標識"),
        (PersonField::Kana, "やまだ ひょうしき"),
        (PersonField::Telephone, "090-0000-0001"),
        (PersonField::BirthDate, "ﾔﾏﾀﾞ ﾋｮｳｼｷ\n昭和55年4月5日"),
    ];
    for (field, term) in ways {
        let FoundCases { cases } = ask(&desk, "console", &search(field, term)).await;
        assert_eq!(cases, both, "{field}");
    }
    for (field, term) in
        [(PersonField::Name, "山田"), (PersonField::Mail, "marker@example.test"), (PersonField::Kana, "")]
    {
        assert_eq!(ask(&desk, "console", &search(field, term)).await.cases, [], "{field}");
    }
    let garbled = SearchCases { field: PersonField::Name, term: Sealed(vec![1; 60]), staff: StaffId::new() };
    let of_another = SearchCases { staff: StaffId::new(), ..search(PersonField::Name, "山田標識") };
    for refused in [garbled, of_another] {
        assert_eq!(ask(&desk, "console", &refused).await.cases, []);
    }
    assert_eq!(desk.count("select count(*) from intake.audit where what = 'search'").await, 9);
    desk.close().await;
}

/// Nothing leaves without its audit row: when that cannot be written, nobody is answered.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_audit_nothing_is_disclosed_and_nobody_is_found() {
    let desk = Desk::open().await;
    ServiceKey::load_or_create(desk.rt.keys_dir(), "identity").unwrap();
    let someone = Someone::new(Kind::Disclosure);
    let case = desk.request_of(&someone).await;
    let bus = desk.rt.bus(intake::SERVICE).await.unwrap();
    let persons = intake::persons(&desk.rt, bus).await.unwrap();
    let wish = || wish(case, "identity", DisclosePurpose::VerifyIdentity, &[PersonField::Name]);
    assert!(matches!(persons.disclose(wish()).await, Ok(DisclosedReply::Values { .. })));
    sqlx::query("revoke insert on intake.audit from intake").execute(&desk.admin).await.unwrap();
    let error = persons.disclose(wish()).await.unwrap_err().to_string();
    assert!(error.contains("audit"), "{error}");
    let staff = StaffId::new();
    let term = seal_to(&persons.key().public(), staff.0.as_bytes(), b"x").unwrap();
    let search = SearchCases { field: PersonField::Name, term, staff };
    assert!(persons.search(search).await.is_err());
    desk.close().await;
}
