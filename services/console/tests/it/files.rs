//! Sealed files: what is made comes out as a download, what comes back goes in sealed, and every line says what became of it.

use crate::{desk::Desk, orders::other_end};
use contracts::{
    Code, Digest, InstructionId, ObjectId, Service, Uuid,
    carried::{ExportFile, ExportReply, FileForm, FileLine, ImportFile, ImportReply, Positions},
    request::{Request, StaffCommand},
};
use privacy::Purpose;
use reqwest::header;
use sha2::Digest as _;

const WHY: &str = "carried to the closed network";

#[tokio::test(flavor = "multi_thread")]
async fn a_file_for_a_closed_network_is_downloaded_as_it_was_made() {
    let desk = Desk::start(&[]).await;
    desk.key(Service::OptOut);
    let browser = desk.signed_in().await;
    let (recipient, object) = (Uuid::now_v7(), ObjectId::new());
    let path = format!("/recipients/{recipient}/files/export");
    let csrf = browser.get("/cases").await.csrf();
    desk.rt.objects().unwrap().put(object, b"sealed to it".to_vec()).await.unwrap();
    let exported = |digest: [u8; 32]| ExportReply::Exported {
        export: Uuid::nil(),
        object,
        digest: Digest(digest),
        epoch: 1,
        first: 3,
        last: 7,
        more: true,
    };
    let refused = ExportReply::Refused { reason: Code::of("nothing-to-export") };
    let good = exported(sha2::Sha256::digest(b"sealed to it").into());
    let replies = [&good, &refused, &exported([0; 32])].map(|r| serde_json::to_vec(r).unwrap()).to_vec();
    let subject = <StaffCommand<ExportFile> as Request>::ENTRY.subject();
    let mut sent = other_end(&desk, Service::OptOut, subject, replies).await;

    let form = |positions: &'static str, first: &'static str| {
        let token = Uuid::now_v7().to_string();
        [
            ("csrf", csrf.clone()),
            ("token", token),
            ("why", WHY.into()),
            ("positions", positions.into()),
            ("first", first.into()),
        ]
    };
    let post = async |fields: [(&str, String); 5]| {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
        browser.post(&path, &fields).await
    };
    let file = post(form("range", "3")).await;
    assert_eq!((file.status, file.body.as_str()), (200, "sealed to it"));
    let name = file.headers[header::CONTENT_DISPOSITION].to_str().unwrap().to_owned();
    assert!(name.contains("-1-3-7-more.sealed"), "{name}");
    let order: StaffCommand<ExportFile> = serde_json::from_slice(&sent.recv().await.unwrap()).unwrap();
    assert_eq!(order.order.what, Positions::Range { first: 3, last: None });

    let none = post(form("new", "")).await;
    assert_eq!(none.status, 422);
    none.has("There is nothing to hand over.");
    assert_ne!(post(form("open", "")).await.body, "sealed to it", "another file than the one that was made");
    for (fields, text) in
        [(form("range", "0"), "From position"), (form("some", ""), "Choose which instructions go into the file.")]
    {
        let page = post(fields).await;
        assert_eq!(page.status, 422);
        page.has(text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_goes_in_sealed_and_each_line_says_what_became_of_it() {
    let desk = Desk::start(&[]).await;
    let key = desk.key(Service::OptOut);
    let browser = desk.signed_in().await;
    let recipient = Uuid::now_v7();
    let path = format!("/recipients/{recipient}/files/import");
    let csrf = browser.get("/cases").await.csrf();
    let about = InstructionId(Uuid::from_u128(7));
    let line = |line, ok, word: &'static str, column: Option<&'static str>| FileLine {
        line,
        column: column.map(Code::of),
        instruction: Some(about),
        ok,
        word: Code::of(word),
    };
    let lines = vec![
        line(2, true, "accepted", None),
        line(3, false, "not-a-date", Some("date")),
        line(4, false, "bad-signature", None),
        line(5, true, "awaits-second-person", None),
    ];
    let imported = ImportReply::Imported { import: Uuid::nil(), whole: false, empty: 6, lines };
    let refused = ImportReply::Refused { reason: Code::of("file-not-signed") };
    let replies = [&imported, &refused].map(|r| serde_json::to_vec(r).unwrap()).to_vec();
    let subject = <StaffCommand<ImportFile> as Request>::ENTRY.subject();
    let mut sent = other_end(&desk, Service::OptOut, subject, replies).await;

    let upload = async |form: &str, file: &[u8]| {
        let token = Uuid::now_v7().to_string();
        let fields = [("csrf", csrf.as_str()), ("token", &token), ("why", WHY), ("form", form)];
        browser.upload(&path, &fields, file).await
    };
    let file = "what 見本 花子 did not want anybody to see".as_bytes();
    let page = upload("sheet", file).await;
    assert_eq!(page.status, 200, "{}", page.body);
    for text in [
        "lines are missing or damaged",
        "Taken: 2. Not taken: 2. Not filled in: 6.",
        "<strong>Not taken:</strong> not a date",
        "<span class=\"hint\">date</span>",
        "the signature does not hold",
        "noted; another person has to bring the same",
    ] {
        page.has(text);
    }
    let (faulty, good) = (page.body.find("not a date").unwrap(), page.body.find(">accepted<").unwrap());
    assert!(faulty < good, "what was not taken stands first");
    let order: StaffCommand<ImportFile> = serde_json::from_slice(&sent.recv().await.unwrap()).unwrap();
    assert_eq!((order.order.recipient.0, order.order.form), (recipient, FileForm::Sheet));
    let objects = desk.rt.objects().unwrap();
    let sealed = objects.get(order.order.object).await.unwrap();
    assert!(!sealed.windows(6).any(|w| w == "見本".as_bytes()));
    let opened = key.open(&privacy_seal::aad::carried_file(order.order.object), &sealed).unwrap();
    assert_eq!(opened.disclose(Purpose::InstructRecipient), file);

    let page = upload("reports", file).await;
    assert_eq!(page.status, 422);
    page.has("The file is not signed by this recipient");
    let order: StaffCommand<ImportFile> = serde_json::from_slice(&sent.recv().await.unwrap()).unwrap();
    assert!(objects.get(order.order.object).await.is_err(), "a refused file is not kept");
    for (form, file, status, text) in [
        ("reports", b"".as_slice(), 422, "Choose a file."),
        ("letter", file, 422, "Choose what the file is."),
        ("reports", &vec![b'x'; 16 * 1024 * 1024 + 1], 413, "over 16 MB"),
    ] {
        let page = upload(form, file).await;
        assert_eq!(page.status, status, "{}", page.body);
        page.has(text);
    }
}
