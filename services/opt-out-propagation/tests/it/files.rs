//! Sealed files: one out, one back, with the same states as on every other transport; and the sheet that two people attest.

use crate::desk::{Desk, certification, contract, refused};
use contracts::{
    Code, Digest, InstructionId, ObjectId, RecipientId, RecipientKind, ReportOutcome, Sealed, StaffId, Timestamp,
    Transport, Uuid,
    carried::{ExportFile, ExportReply, FileForm, FileLine, ImportFile, ImportReply, Positions},
    recipient::{Report, ReportStage},
    register::{RecipientReply, ResumeRecipient, ShowRecipient, SuspendRecipient},
    request::{RegisterRecipient, StaffCommand},
};
use privacy::Purpose;
use recipient_kit::{
    RecipientKeys, ReportKey, apply, digest_of, report,
    sealed_file::{self, Folder, Opened, folder, pack_reports, sheet::Answer},
};

struct ByFile {
    me: RecipientId,
    keys: RecipientKeys,
    desk_key: ReportKey,
    place: tempfile::TempDir,
}

fn order(label: &str, kind: RecipientKind, keys: &RecipientKeys) -> RegisterRecipient {
    let contracted = kind == RecipientKind::Contractor;
    RegisterRecipient {
        recipient: RecipientId::new(),
        label: label.parse().unwrap(),
        kind,
        transport: Transport::SealedFile,
        url: None,
        nats_user: None,
        nats_account: None,
        report_key: Sealed(keys.report_public()),
        sealing_key: Sealed(keys.sealing_public().as_bytes().to_vec()),
        organisation: None,
        certification: contracted.then(certification),
        contract: contracted.then(contract),
    }
}

impl Desk {
    async fn by_file(&self, label: &str, kind: RecipientKind) -> ByFile {
        let keys = RecipientKeys::random().unwrap();
        let order = order(label, kind, &keys);
        assert_eq!(refused(&self.register(order.clone()).await), None);
        let me = order.recipient;
        let RecipientReply::Found(view) = self.ask(&ShowRecipient { recipient: me }).await else { panic!() };
        let desk_key = ReportKey::from_bytes(&view.desk_key.0).unwrap();
        ByFile { me, keys, desk_key, place: tempfile::tempdir().unwrap() }
    }

    async fn ordered<T>(&self, staff: StaffId, order: T) -> <StaffCommand<T> as contracts::request::Request>::Reply
    where
        StaffCommand<T>: contracts::request::Request,
    {
        let token = Uuid::now_v7();
        self.ask(&StaffCommand {
            token, staff, why: self.sealed(token, "持ち運びのため"), traceparent: None, order
        })
        .await
    }

    async fn export(&self, recipient: RecipientId, what: Positions) -> Result<(Vec<u8>, i64, i64), String> {
        match self.ordered(StaffId::new(), ExportFile { recipient, what }).await {
            ExportReply::Refused { reason } => Err(reason.to_string()),
            ExportReply::Exported { object, digest, first, last, more, .. } => {
                let file = self.rt.objects().unwrap().get(object).await.unwrap();
                assert_eq!((digest_of(&file), more), (digest, false));
                Ok((file, first, last))
            }
        }
    }

    async fn put(&self, plain: &[u8]) -> (ObjectId, Digest) {
        let object = ObjectId::new();
        let key = privacy::PublicKey::load(&self.rt.keys_dir().join("optout.pub")).unwrap();
        let sealed = privacy::seal_to(&key, &privacy_seal::aad::carried_file(object), plain).unwrap();
        self.rt.objects().unwrap().put(object, sealed.0).await.unwrap();
        (object, digest_of(plain))
    }

    async fn import(&self, by: StaffId, recipient: RecipientId, form: FileForm, plain: &[u8]) -> Import {
        let (object, digest) = self.put(plain).await;
        match self.ordered(by, ImportFile { recipient, form, object, digest }).await {
            ImportReply::Refused { reason } => Import { refused: Some(reason.to_string()), ..Import::default() },
            ImportReply::Imported { whole, lines, empty, .. } => {
                assert!(self.rt.objects().unwrap().get(object).await.is_err(), "nothing of it stays behind");
                Import { whole, lines, empty, refused: None }
            }
        }
    }

    async fn issued_to(&self, recipient: RecipientId, last: i64) {
        testkit::eventually("it is issued", || async {
            let row = self.recipients().await.into_iter().find(|r| r.recipient == recipient).unwrap();
            if row.last == last { Ok(()) } else { Err(row.last) }
        })
        .await;
    }

    async fn stages(&self, recipient: RecipientId) -> Vec<String> {
        sqlx::query_scalar(
            "select i.state ->> 'status' from instruction i join delivery d on d.instruction = i.id
              where d.recipient = $1 order by d.position",
        )
        .bind(recipient.0)
        .fetch_all(self.bus.db().pool())
        .await
        .unwrap()
    }
}

#[derive(Debug, Default)]
struct Import {
    whole: bool,
    lines: Vec<FileLine>,
    empty: u32,
    refused: Option<String>,
}

impl Import {
    fn words(&self) -> Vec<(u32, &str, &str)> {
        let column = |line: &FileLine| line.column.as_ref().map_or(String::new(), Code::to_string);
        self.lines.iter().map(|l| (l.line, l.word.as_str(), Box::leak(column(l).into_boxed_str()) as &str)).collect()
    }
}

impl ByFile {
    fn open(&self, file: &[u8]) -> Opened {
        sealed_file::open(file, self.me, &self.keys, std::slice::from_ref(&self.desk_key)).unwrap()
    }
    fn folder(&self) -> Folder {
        Folder::open(self.place.path(), self.me).unwrap()
    }
    fn reports(&self, answers: &[Answer]) -> Vec<u8> {
        let now = Timestamp::now();
        let reports = self.folder().report(answers, &self.keys, now).unwrap().unwrap();
        pack_reports(self.me, None, now, &reports, &self.keys.signing).unwrap()
    }
}

fn answer(instruction: InstructionId, outcome: ReportOutcome) -> Answer {
    Answer { line: 1, instruction, outcome, ground: None, book_entry: None, erasures: vec![] }
}

/// Transports 4: the operator's own core zone, told by a file and heard by a file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_goes_out_one_comes_back_and_nothing_else_moves_an_instruction() {
    let desk = Desk::serving().await;
    let core = desk.by_file("core-zone", RecipientKind::CoreZone).await;
    assert_eq!(desk.export(core.me, Positions::New).await.unwrap_err(), "nothing-to-export");
    let (one, _two) = (desk.stop("ヤマダ").await, desk.stop("スズキ").await);
    desk.issued_to(core.me, 2).await;
    let (file, first, last) = desk.export(core.me, Positions::New).await.unwrap();
    assert_eq!((first, last), (1, 2));
    assert_eq!(desk.export(core.me, Positions::New).await.unwrap_err(), "nothing-to-export");
    // The very bytes of the ledger, and the person inside.
    let opened = core.open(&file);
    let ledger: Vec<Vec<u8>> = sqlx::query_scalar("select body from delivery where recipient = $1 order by position")
        .bind(core.me.0)
        .fetch_all(desk.bus.db().pool())
        .await
        .unwrap();
    assert_eq!(opened.bodies, ledger);
    let shown = core.folder().take(&opened, &core.keys).unwrap();
    let kana: Vec<_> =
        shown.iter().map(|s| s.person.as_ref().unwrap().disclose(Purpose::InstructRecipient).kana.clone()).collect();
    assert!(kana.contains(&"ヤマダ".to_owned()) && kana.contains(&"スズキ".to_owned()));
    // Exporting moved nothing but a row of who and why, and an attempt per position.
    assert_eq!(desk.stages(core.me).await, ["issued", "issued"]);
    assert_eq!(desk.count("select count(*) from attempt where outcome = 'exported'").await, 2);
    assert_eq!(desk.count("select count(*) from file_export e join staff_reason r on r.cause = e.id").await, 1);
    assert_eq!(desk.count("select count(*) from retry").await, 0, "nothing of it is ever sent");
    // Replay: other sealed bytes, the same bodies.
    let (again, ..) = desk.export(core.me, Positions::Range { first: 1, last: Some(2) }).await.unwrap();
    assert!(again != file && core.open(&again).bodies == ledger);
    let (open, first, _) = desk.export(core.me, Positions::Open).await.unwrap();
    assert_eq!((core.open(&open).bodies.len(), first), (2, 1));
    for (first, last) in [(0, None), (1, Some(3)), (2, Some(1))] {
        let what = Positions::Range { first, last };
        assert_eq!(desk.export(core.me, what).await.unwrap_err(), "positions-not-issued");
    }
    // 受領 for both, then the outcomes; the same file twice gets the same answers.
    let staff = StaffId::new();
    let received = core.reports(&[]);
    let imported = desk.import(staff, core.me, FileForm::Reports, &received).await;
    assert_eq!(imported.words(), [(3, "accepted", ""), (4, "accepted", "")]);
    assert_eq!(desk.stages(core.me).await, ["received", "received"]);
    let about: Vec<InstructionId> = shown.iter().map(|s| s.instruction.id).collect();
    let answers = [answer(about[0], ReportOutcome::Applied), answer(about[1], ReportOutcome::NoDataHeld)];
    let outcomes = core.reports(&answers);
    for _ in 0..2 {
        let imported = desk.import(staff, core.me, FileForm::Reports, &outcomes).await;
        assert!(imported.whole && imported.lines.iter().all(|line| line.ok), "{imported:?}");
    }
    assert_eq!(desk.stages(core.me).await, ["settled", "settled"]);
    assert_eq!(desk.confirmed(one).await, 1);
    assert_eq!(desk.count("select count(*) from report").await, 4, "kept once each, as they came");
    assert_eq!(desk.count("select count(*) from file_import").await, 3);
    // Suspended: nothing leaves, also not by hand.
    desk.order(staff, SuspendRecipient { recipient: core.me }).await;
    assert_eq!(desk.export(core.me, Positions::Open).await.unwrap_err(), "recipient-is-suspended");
    desk.order(staff, ResumeRecipient { recipient: core.me }).await;
    assert_eq!(desk.export(core.me, Positions::Open).await.unwrap_err(), "nothing-to-export", "nothing is owed");
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_half_bad_says_every_bad_line_and_loses_nothing() {
    let desk = Desk::serving().await;
    let (a, b) =
        (desk.by_file("a", RecipientKind::Contractor).await, desk.by_file("b", RecipientKind::Contractor).await);
    desk.stop("ヤマダ").await;
    desk.stop("スズキ").await;
    for who in [&a, &b] {
        desk.issued_to(who.me, 2).await;
        let (file, ..) = desk.export(who.me, Positions::New).await.unwrap();
        who.folder().take(&who.open(&file), &who.keys).unwrap();
    }
    let (file_of_b, ..) = desk.export(b.me, Positions::Range { first: 1, last: None }).await.unwrap();
    let body_of_b = b.open(&file_of_b).bodies[0].clone();
    // About B's instruction, signed by A: A must have it from somewhere.
    let applied = ReportStage::Reported { outcome: ReportOutcome::Applied, ground: None };
    let foreign = Report {
        instruction: apply::parse(&body_of_b).unwrap().id,
        recipient: a.me,
        digest: digest_of(&body_of_b),
        stage: applied,
        time: Timestamp::now(),
        book_entry: None,
        erasures: vec![],
    };
    let text = String::from_utf8(a.reports(&[])).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.insert(3, report::sign(&foreign, &a.keys.signing).as_str().to_owned());
    lines.insert(4, "rubbish".into());
    let staff = StaffId::new();
    let imported = desk.import(staff, a.me, FileForm::Reports, lines.join("\r\n").as_bytes()).await;
    assert!(!imported.whole, "more is in it than was signed for");
    assert_eq!(
        imported.words(),
        [(3, "accepted", ""), (4, "not-yours", ""), (5, "malformed", ""), (6, "accepted", "")]
    );
    assert_eq!(desk.stages(a.me).await, ["received", "received"]);
    assert_eq!(desk.stages(b.me).await, ["issued", "issued"]);
    testkit::eventually("it is raised", || async {
        let said = desk.said().await;
        if said.get("report-refused") == Some(&2) { Ok(()) } else { Err(said) }
    })
    .await;
    // B's file under A's name, and one that is none: refused as a whole, and nothing moved.
    let of_b = b.reports(&[]);
    let refused = desk.import(staff, a.me, FileForm::Reports, &of_b).await.refused;
    assert_eq!(refused.as_deref(), Some("file-not-signed"));
    let refused = desk.import(staff, a.me, FileForm::Reports, b"hello").await.refused;
    assert_eq!(refused.as_deref(), Some("not-such-a-file"));
    assert_eq!(desk.stages(b.me).await, ["issued", "issued"]);
    let imported = desk.import(staff, b.me, FileForm::Reports, &of_b).await;
    assert!(imported.lines.iter().all(|line| line.ok) && imported.lines.len() == 2);
    // Other bytes under the same object, or an object that is not there.
    let (object, digest) = desk.put(&of_b).await;
    for (object, digest, why) in
        [(object, Digest([0; 32]), "digest-mismatch"), (ObjectId::new(), digest, "file-not-found")]
    {
        let order = ImportFile { recipient: b.me, form: FileForm::Reports, object, digest };
        let reply = desk.ordered(staff, order).await;
        assert_eq!(reply, ImportReply::Refused { reason: why.parse().unwrap() });
    }
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

/// Recipients without software: what two different people read in a sheet counts, and the evidence says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sheet_counts_line_by_line_when_two_people_bring_the_same() {
    let desk = Desk::serving().await;
    let who = desk.by_file("hand", RecipientKind::Contractor).await;
    let mut entries = Vec::new();
    for (n, kana) in ["ヤマダ", "スズキ", "サトウ"].iter().enumerate() {
        entries.push(desk.stop(kana).await);
        desk.issued_to(who.me, n as i64 + 1).await;
    }
    let (file, ..) = desk.export(who.me, Positions::New).await.unwrap();
    let shown = who.folder().take(&who.open(&file), &who.keys).unwrap();
    let sheet = folder::sheet_of(&shown);
    // Filled in with a spreadsheet: one applied, one word that is none, one left for later.
    let filled = |outcome: &str| {
        let mut lines: Vec<String> = sheet.lines().map(str::to_owned).collect();
        let cells = |line: &str, outcome: &str| {
            let mut cells: Vec<&str> = line.split(',').collect();
            cells[10] = outcome;
            cells.join(",")
        };
        lines[1] = cells(&lines[1], outcome);
        lines[2] = cells(&lines[2], "done");
        encoding(&lines.join("\r\n"))
    };
    let (one, two) = (StaffId::new(), StaffId::new());
    let imported = desk.import(one, who.me, FileForm::Sheet, &filled("措置済み")).await;
    let bad = (3, "not-a-word-of-the-list", "outcome");
    assert_eq!(imported.words(), [(2, "awaits-second-person", ""), bad]);
    assert_eq!(imported.empty, 1);
    assert_eq!(desk.stages(who.me).await, ["issued", "issued", "issued"], "one person is not enough");
    let imported = desk.import(one, who.me, FileForm::Sheet, &filled("措置済み")).await;
    assert_eq!(imported.words(), [(2, "second-person-needed", ""), bad]);
    let imported = desk.import(two, who.me, FileForm::Sheet, &filled("該当データなし")).await;
    assert_eq!(imported.words(), [(2, "first-person-said-otherwise", ""), bad]);
    let imported = desk.import(two, who.me, FileForm::Sheet, &filled("applied")).await;
    assert_eq!(imported.words(), [(2, "attested", ""), bad]);
    assert_eq!(desk.stages(who.me).await, ["settled", "issued", "issued"]);
    assert_eq!(desk.confirmed(entries[0]).await, 1);
    assert_eq!(
        desk.count("select count(*) from issued where confirmed_by = 'attested' and outcome = 'applied'").await,
        1
    );
    assert_eq!(desk.count("select count(*) from report").await, 0, "nobody signed it");
    // An amendment: again by two, and what they said before stays.
    for (staff, word) in [(two, "awaits-second-person"), (one, "attested")] {
        let imported = desk.import(staff, who.me, FileForm::Sheet, &filled("no-data-held")).await;
        assert_eq!(imported.words(), [(2, word, ""), bad]);
    }
    let said: Vec<String> =
        sqlx::query_scalar("select words from two_people where second is not null order by second_at")
            .fetch_all(desk.bus.db().pool())
            .await
            .unwrap();
    assert_eq!(said, ["applied ", "no-data-held "]);
    assert_eq!(desk.count("select count(*) from issued where outcome = 'no-data-held'").await, 1);
    // Every attestation has its reason, also as a line of a file.
    assert_eq!(
        desk.count("select count(*) from history h join staff_reason r on r.cause = h.cause where h.event ->> 'by' = 'attested'")
            .await,
        2
    );
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

fn encoding(text: &str) -> Vec<u8> {
    // What Japanese spreadsheets write by default.
    let text = text.trim_start_matches('\u{feff}');
    let (bytes, _, lossy) = encoding_rs::SHIFT_JIS.encode(text);
    assert!(!lossy);
    bytes.into_owned()
}

/// Row 81: the desk never calls the core zone. It has no address of it, and takes none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_81_the_desk_has_no_address_of_the_core_zone_and_takes_none() {
    let desk = Desk::serving().await;
    let keys = RecipientKeys::random().unwrap();
    for transport in [Transport::Nats, Transport::Webhook, Transport::Pull, Transport::Letter] {
        let order = RegisterRecipient { transport, ..order("core", RecipientKind::CoreZone, &keys) };
        assert_eq!(refused(&desk.register(order).await), Some(&Code::of("core-zone-has-no-network")));
    }
    // An address that comes along is not kept, and nothing ever leases its endpoint.
    let mut order = order("core", RecipientKind::CoreZone, &keys);
    order.url = Some(desk.sealed(order.recipient.0, "https://core.example/"));
    assert_eq!(refused(&desk.register(order.clone()).await), None);
    let reach = "select count(*) from endpoint e join recipient r on r.id = e.recipient where r.kind = 'core-zone'
                  and (e.url is not null or e.enabled or r.nats_account is not null or e.transport <> 'sealed-file')";
    assert_eq!(desk.count(reach).await, 0);
    let forced = desk
        .bus
        .db()
        .write(move |tx| {
            Box::pin(async move {
                let sql = "update recipient set transport = 'webhook' where kind = 'core-zone'";
                Ok(sqlx::query(sql).execute(tx).await.map(drop)?)
            })
        })
        .await
        .unwrap_err();
    assert_eq!(forced.constraint(), Some("recipient_core_zone"), "the table refuses it too");
    // The whole configuration of the desk: no setting is about the core zone's whereabouts.
    let settings = include_str!("../../../../infra/config/default.toml");
    let values = settings.lines().filter(|line| !line.trim_start().starts_with('#'));
    for line in values {
        let line = line.to_lowercase();
        assert!(!line.contains("core"), "the configuration knows the core zone: {line}");
    }
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}
