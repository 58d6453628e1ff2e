//! The whole opt-out in the console, with the mouse: who will be told, the identity, the instructions as they move, a report
//! that cannot identify the person, a possible match for two people, and the file that proves it all.

use super::{
    access::look_over,
    chrome::Chrome,
    console::{SEND, sets_a_password},
    public, supervision,
    words::Words,
};
use crate::journey::{
    contractors::{Joined, by_webhook, prepared, pulls, says},
    desk::{Desk, Filed},
    people::Person,
};
use console::By;
use contracts::{
    Digest, EndedAs, ReportOutcome, Step, Transport,
    recipient::{Report, ReportStage},
    register::RecipientReply,
};
use launcher::story::{self, Contractor};
use recipient_kit::{
    ReportKey, apply, digest_of, pull, report,
    sealed_file::{self, Opened, pack_reports},
};
use serde_json::{Value, json};
use sha2::Digest as _;
use std::path::Path;
use testkit::eventually;

const CONFIRM: &str = "form[action$='/order/confirm-identity']";
const WHY: &str = "the papers show the same person";

/// From the case to its evidence; ends on the person's own page.
pub async fn from_the_case_to_the_evidence(chrome: &Chrome, desk: &Desk) {
    let person = Person::number(9);
    let _analysis: Joined = by_webhook(desk, "analysis").await;
    let core = pulls(desk, "core-data").await;
    let filed = desk.file(&story::opt_out_of(&person.json())).await;
    desk.until(&filed, "the provisional block", |s| s.blocked_since.is_some() && s.step == Step::Verifying).await;

    let w = Words::of_the_console("ja");
    let base = sets_a_password(chrome, desk, &w).await;
    chrome.press(".tools a[hreflang=en]").await;
    let w = Words::of_the_console("en");
    looks_before_confirming(chrome, desk, &w, &base, &filed).await;
    let entry = sees_the_instructions_move(chrome, desk, &w, &base, &filed, &core).await;
    deals_with_what_cannot_be_identified(chrome, desk, &w, &base, &entry, &core).await;
    two_people_look_at_a_possible_match(chrome, desk, &w, &base, &person, &core).await;
    takes_the_evidence(chrome, desk, &base, &filed).await;
    freezes_and_goes_on(chrome, &w, &entry, &filed, &core).await;
    looks_after_a_recipient(chrome, &w, &base, &core).await;
    supervision::of_a_recipient(chrome, &w, &base, &core.id.to_string(), &filed).await;
    supervision::of_the_operators_own_end(chrome, &w, &base).await;
    the_other_pages(chrome, &w, &base, &core).await;
    the_person_reads_the_answer(chrome, desk, &filed).await;
    carries_files_by_hand(chrome, desk, &w, &base, &core).await;
}

/// Nothing goes out before the page was seen on which everybody stands who will be told.
async fn looks_before_confirming(chrome: &Chrome, desk: &Desk, w: &Words, base: &str, filed: &Filed) {
    eventually("the case is on its page", || async {
        chrome.goto(&format!("{base}/cases/{}", filed.case)).await;
        if chrome.has(CONFIRM).await && chrome.has("a[href^='/register/']").await {
            Ok(())
        } else {
            Err(chrome.main().await)
        }
    })
    .await;
    look_over(chrome, w.lang).await;
    eventually("both are told", || async {
        asks_to_confirm(chrome, base, filed).await?;
        assert_eq!(chrome.text("h1").await, w.t("preview.title"), "{}", chrome.main().await);
        // A service that is slow to answer is said to be away, and asked again.
        let told = chrome.texts("tbody th").await;
        if told == ["analysis", "core-data"] { Ok(()) } else { Err(chrome.main().await) }
    })
    .await;
    assert_eq!(desk.count("select count(*) from optout.delivery").await, 0, "nothing has been sent");
    look_over(chrome, w.lang).await;
    chrome.press(SEND).await;
    // The case runs ahead of those it asks for something: what is too early is sent again. So is what was not answered in
    // time; it may have been done all the same.
    eventually("the identity is confirmed", || async {
        if chrome.has(".answer.done[role=status]").await {
            return Ok(());
        }
        let answer = chrome.main().await;
        if asks_to_confirm(chrome, base, filed).await.is_ok() {
            chrome.press(SEND).await;
            return Err(answer);
        }
        let figures = chrome.texts(".figures dd").await;
        let confirmed = figures.iter().any(|dd| dd.starts_with(w.t("identity.confirmed")));
        if confirmed { Ok(()) } else { Err(answer) }
    })
    .await;
}

/// Fills in the form of the case's page and sends it; an error, and the case's page, where there is no such form.
async fn asks_to_confirm(chrome: &Chrome, base: &str, filed: &Filed) -> Result<(), String> {
    chrome.goto(&format!("{base}/cases/{}", filed.case)).await;
    if !chrome.has(CONFIRM).await {
        return Err(chrome.main().await);
    }
    chrome.click(&format!("{CONFIRM} input[value=drivers-licence]")).await;
    chrome.fill(&format!("{CONFIRM} textarea[name=why]"), WHY).await;
    chrome.press(&format!("{CONFIRM} button")).await;
    Ok(())
}

/// The text of the stage in a recipient's row.
async fn stage(chrome: &Chrome, label: &str) -> String {
    let rows = "return [...document.querySelectorAll('tbody tr')].filter(r => r.querySelector('.stage'))
        .map(r => [r.cells[0].textContent.trim(), r.querySelector('.stage').textContent.trim()])";
    let found = chrome.script(rows, vec![]).await;
    let row = found.as_array().unwrap().iter().find(|row| row[0] == label).cloned();
    row.map_or_else(String::new, |row| row[1].as_str().unwrap_or_default().to_owned())
}

async fn until_stage(chrome: &Chrome, page: &str, label: &str, wanted: &str) {
    eventually(&format!("{label}: {wanted}"), || async {
        chrome.goto(page).await;
        let now = stage(chrome, label).await;
        if now == wanted { Ok(()) } else { Err(format!("`{now}`: {}", chrome.main().await)) }
    })
    .await;
}

/// Gives back the address of the entry's page.
async fn sees_the_instructions_move(
    chrome: &Chrome,
    desk: &Desk,
    w: &Words,
    base: &str,
    filed: &Filed,
    core: &Contractor,
) -> String {
    chrome.goto(&format!("{base}/cases/{}", filed.case)).await;
    chrome.press(".figures a[href^='/register/']").await;
    let entry = chrome.url().await;
    until_stage(chrome, &entry, "analysis", w.t("instruction.settled")).await;
    until_stage(chrome, &entry, "core-data", w.t("instruction.issued")).await;
    look_over(chrome, w.lang).await;
    chrome.press(".tools a[hreflang=ja]").await;
    look_over(chrome, "ja").await;
    chrome.press(".tools a[hreflang=en]").await;
    says(desk, core, ReportStage::Received).await;
    until_stage(chrome, &entry, "core-data", w.t("instruction.received")).await;
    says(desk, core, ReportStage::Reported { outcome: ReportOutcome::CannotIdentify, ground: None }).await;
    until_stage(chrome, &entry, "core-data", w.t("instruction.reported")).await;
    entry
}

/// Sent back once; the recipient looks again and says the same, and then it stands.
async fn deals_with_what_cannot_be_identified(
    chrome: &Chrome,
    desk: &Desk,
    w: &Words,
    base: &str,
    entry: &str,
    core: &Contractor,
) {
    chrome.goto(base).await;
    chrome.press("nav a[href='/tasks']").await;
    assert!(chrome.text(".cards li").await.contains(w.t("outcome.cannot-identify")), "{}", chrome.main().await);
    look_over(chrome, w.lang).await;
    chrome.fill(".cards input[name=why]", "ask them to look for the former name").await;
    chrome.press(".cards button.danger").await;
    assert!(chrome.text(".answer.done").await.contains(w.t("status.acted")), "{}", chrome.main().await);
    until_stage(chrome, entry, "core-data", w.t("instruction.received")).await;
    says(desk, core, ReportStage::Reported { outcome: ReportOutcome::CannotIdentify, ground: None }).await;
    eventually("the task is there again", || async {
        chrome.goto(&format!("{base}/tasks")).await;
        if chrome.has(".cards li").await { Ok(()) } else { Err(chrome.main().await) }
    })
    .await;
    chrome.press(".cards a[href^='/register/']").await;
    assert_eq!(chrome.url().await, entry, "the task leads to its entry");
    chrome.goto(&format!("{base}/tasks")).await;
    chrome.fill(".cards input[name=why]", "they hold no record of this person").await;
    chrome.press(".cards button.main").await;
    assert!(chrome.text(".answer.done").await.contains(w.t("status.settled")), "{}", chrome.main().await);
    until_stage(chrome, entry, "core-data", w.t("instruction.settled")).await;
    assert!(chrome.text(".three").await.contains(w.t("outcome.cannot-identify")), "{}", chrome.main().await);
    look_over(chrome, w.lang).await;
}

/// A contractor's question, signed.
async fn asks(desk: &Desk, who: &Contractor, path: &str, question: &Value) -> Value {
    let body = question.to_string();
    let path = format!("{path}?digest={}", Digest(sha2::Sha256::digest(body.as_bytes()).into()));
    let now = desk.clock().now().as_second().try_into().unwrap();
    let mut request = reqwest::Client::new().post(format!("{}{path}", desk.partner_url));
    for (name, value) in pull::sign(&who.keys.signing, who.id, now, "POST", &path) {
        request = request.header(name, value);
    }
    request.header("content-type", "application/json").body(body).send().await.unwrap().json().await.unwrap()
}

/// The values are on one page only, after it was written down who looks; the same person cannot be both.
async fn two_people_look_at_a_possible_match(
    chrome: &Chrome,
    desk: &Desk,
    w: &Words,
    base: &str,
    person: &Person,
    core: &Contractor,
) {
    let row = json!({ "kana": person.kana, "birth-date": person.birth_date, "name": "別人 花子" });
    let answered =
        asks(desk, core, "/partner/v1/gate/check", &json!({ "flow": "build", "track": "both", "rows": [row] })).await;
    assert_eq!(answered["answers"][0]["answer"], "possible", "{answered}");
    let arrived = json!({ "flow": "hospital-supply", "supplier": "1312345678", "file": "delivery-7", "line": 17 });
    asks(desk, core, "/partner/v1/gate/incidents", &arrived).await;

    chrome.goto(&format!("{base}/tasks")).await;
    chrome.press(".note a[href='/gate']").await;
    assert!(!chrome.main().await.contains(&person.name), "shown unasked");
    assert!(chrome.text("tbody").await.contains("delivery-7"));
    look_over(chrome, w.lang).await;
    chrome.press("form[action$='/show'] button").await;
    let shown = chrome.text("tbody").await;
    assert!(shown.contains(&person.name) && shown.contains(w.t("gate.differs")), "{shown}");
    assert_eq!(desk.count("select count(*) from console.view_audit where purpose = 'gate-review'").await, 1);
    look_over(chrome, w.lang).await;
    chrome.fill("textarea[name=why]", "another given name, another address").await;
    chrome.press("button[formaction$='/other']").await;
    assert!(chrome.text(".answer.done").await.contains(w.t("status.waits-for-another-person")));
    chrome.goto(&format!("{base}/gate")).await;
    chrome.press("form[action$='/show'] button").await;
    assert!(chrome.main().await.contains(w.t("gate.you-said")), "{}", chrome.main().await);
    assert!(!chrome.has("textarea[name=why]").await);
}

/// A finished download of this ending. Chromium reserves the name with an empty file and moves the finished one over it, so an
/// empty file is one that is still on its way.
pub async fn downloaded(folder: &Path, ending: &str) -> Vec<u8> {
    eventually(&format!("{ending} is downloaded"), || async {
        let files = std::fs::read_dir(folder).map_err(|e| e.to_string())?;
        let names: Vec<_> = files.map(|f| f.unwrap().path()).collect();
        let found = names.iter().find(|path| path.to_string_lossy().ends_with(ending));
        let read = found.and_then(|path| std::fs::read(path).ok());
        read.filter(|bytes| !bytes.is_empty()).ok_or(format!("{names:?}"))
    })
    .await
}

/// The file is the one of the command line: signed by the house, and verified as a stranger would.
async fn takes_the_evidence(chrome: &Chrome, desk: &Desk, base: &str, filed: &Filed) {
    let folder = desk.house.folder().join("downloads");
    std::fs::create_dir_all(&folder).unwrap();
    chrome.downloads_go_to(&folder).await;
    chrome.goto(&format!("{base}/cases/{}", filed.case)).await;
    chrome.click("button[name=copy][value=full]").await;
    let full = downloaded(&folder, &format!("evidence-{}.json", filed.case)).await;
    let key = launcher::evidence::key(desk.rt.keys_dir()).unwrap().verifier();
    let said = evidence::verify(&full, Some(&key)).unwrap_or_else(|e| panic!("{e}")).lines.join("\n");
    for text in ["core-data (contractor): cannot-identify", "analysis (contractor): applied", "CONFIRMED: all 2"] {
        assert!(said.contains(text), "`{text}` is not in\n{said}");
    }
    chrome.click("button[name=copy][value=person]").await;
    let copy = downloaded(&folder, "-person.json").await;
    evidence::verify(&copy, Some(&key)).unwrap_or_else(|e| panic!("{e}"));
    let parsed = |bytes: &[u8]| -> evidence::Evidence {
        let file: evidence::File = serde_json::from_slice(bytes).unwrap();
        serde_json::from_slice(&file.payload.0).unwrap()
    };
    assert_eq!(parsed(&full).copy, evidence::file::Copy::Full);
    assert_eq!(parsed(&copy).copy, evidence::file::Copy::Person);
    for purpose in ["evidence-full", "evidence-person"] {
        let rows: i64 =
            sqlx::query_scalar("select count(*) from console.view_audit where purpose = $1 and case_id = $2")
                .bind(purpose)
                .bind(filed.case.0)
                .fetch_one(&mut desk.admin().await)
                .await
                .unwrap();
        assert_eq!(rows, 1, "{purpose}: who took it is written down");
    }
}

/// 利用停止と再開: what is being built waits, and goes on; the person's answer is the same afterwards.
async fn freezes_and_goes_on(chrome: &Chrome, w: &Words, entry: &str, filed: &Filed, core: &Contractor) {
    for (order, done) in [("suspend-use", "status.use-suspended"), ("resume-use", "status.use-resumed")] {
        chrome.goto(entry).await;
        let form = format!("form[action$='/{order}']");
        open_all(chrome).await;
        chrome.fill(&format!("{form} input[name=number]"), &filed.receipt.receipt_number).await;
        chrome.click(&format!("{form} select[name=basis] option:nth-child(2)")).await;
        chrome.fill(&format!("{form} textarea[name=why]"), "a build of this week is looked into").await;
        chrome.press(&format!("{form} button.main")).await;
        // Who will be told is looked at first.
        if chrome.has("input[name=seen]").await {
            look_over(chrome, w.lang).await;
            chrome.press(SEND).await;
        }
        assert!(chrome.text(".answer.done").await.contains(w.t(done)), "{}", chrome.main().await);
        chrome.goto(entry).await;
        let frozen = chrome.main().await.contains(w.t("entry.frozen-since"));
        assert_eq!(frozen, order == "suspend-use", "{}", chrome.main().await);
    }
    assert!(chrome.texts("tbody th").await.iter().any(|label| label == core.label.as_str()));
    chrome.press("a[href^='/duties/']").await;
    chrome.press("main a[href^='/register/']").await;
    assert_eq!(chrome.url().await, entry, "there and back");
}

async fn open_all(chrome: &Chrome) {
    chrome.script("document.querySelectorAll('details').forEach(d => d.open = true)", vec![]).await;
}

/// Its contact, another test event, everything once more.
async fn looks_after_a_recipient(chrome: &Chrome, w: &Words, base: &str, pull: &Contractor) {
    chrome.goto(&format!("{base}/recipients")).await;
    let link = "return [...document.querySelectorAll('main a')].find(a => a.textContent.trim() === 'analysis').href";
    let page = chrome.script(link, vec![]).await.as_str().unwrap().to_owned();
    for order in ["set-contact", "test-endpoint", "replay-recipient"] {
        chrome.goto(&page).await;
        look_over(chrome, w.lang).await;
        let form = format!("form[action$='/{order}']");
        if order == "set-contact" {
            chrome.fill("#contact", "officer@analysis.example.jp").await;
        }
        chrome.fill(&format!("{form} input[name=why]"), "asked for by telephone").await;
        chrome.press(&format!("{form} button.main")).await;
        assert!(chrome.has(".answer.done[role=status]").await, "{order}: {}", chrome.main().await);
        look_over(chrome, w.lang).await;
    }
    a_new_version_begins_as_the_one_in_force(chrome, w, &page).await;
    chrome.goto(&format!("{base}/recipients/{}", pull.id)).await;
    assert!(!chrome.has("form[action$='/test-endpoint']").await, "who fetches has no endpoint to be tested");
}

/// One term of the contract is changed; the next form shows it, and all the others as they were.
async fn a_new_version_begins_as_the_one_in_force(chrome: &Chrome, w: &Words, page: &str) {
    let shown = "return [...document.querySelectorAll(\"form[action$='/contract'] :is(select, input[name^=item-])\")]\
                 .map(field => [field.name, field.value])";
    let set = "const field = document.getElementById(arguments[0]); field.closest('details').open = true; \
               field.value = arguments[1]";
    chrome.goto(page).await;
    let mut expected = chrome.script(shown, vec![]).await;
    let fields = expected.as_array_mut().unwrap();
    assert_eq!(fields.len(), 13, "{fields:?}");
    assert!(fields.iter().all(|field| field[1] != ""), "{fields:?}");
    let erase = fields.iter_mut().find(|field| field[0] == "contract_erase").unwrap();
    assert_ne!(erase[1], "promptly");
    erase[1] = json!("promptly");
    chrome.script(set, vec![json!("contract_erase"), json!("promptly")]).await;
    chrome.script(set, vec![json!("contract_from"), json!("2026-04-01")]).await;
    look_over(chrome, w.lang).await;
    chrome.picture("contract").await;
    chrome.fill("#why-contract", "the contract was signed anew").await;
    chrome.press("form[action$='/contract'] button.main").await;
    assert!(chrome.has(".answer.done[role=status]").await, "{}", chrome.main().await);
    chrome.goto(page).await;
    assert_eq!(chrome.script(shown, vec![]).await, expected);
}

/// What the menu leads to besides, in both languages.
async fn the_other_pages(chrome: &Chrome, w: &Words, base: &str, core: &Contractor) {
    let recipient = format!("/recipients/{}", core.id);
    for path in ["/cases", "/tasks", "/gate", "/gate/runs", "/gate/filings", "/recipients", recipient.as_str()] {
        for lang in ["ja", w.lang] {
            chrome.goto(&format!("{base}{path}?lang={lang}")).await;
            look_over(chrome, lang).await;
        }
    }
    // Every form of a page is looked at, also those that are folded away.
    chrome.script("document.querySelectorAll('details').forEach(d => d.open = true)", vec![]).await;
    look_over(chrome, w.lang).await;
    chrome.goto(&format!("{base}/gate/filings")).await;
    for (field, text) in
        [("supplier", "1312345678"), ("called", "架空総合病院"), ("number", "h-12"), ("notice_days", "30")]
    {
        chrome.fill(&format!("#{field}"), text).await;
    }
    chrome.click("input[name=track][value=anonymised]").await;
    for day in ["filed_on", "starts_on"] {
        let set = "document.getElementById(arguments[0]).value = '2026-04-01'";
        chrome.script(set, vec![json!(day)]).await;
    }
    chrome.fill("#why", "the ministers' page of today").await;
    chrome.press(SEND).await;
    assert!(chrome.text(".answer.done").await.contains(w.t("status.filed")), "{}", chrome.main().await);
}

/// Stopped, erased, could not be reached and why: on the status page, and nobody is named there.
async fn the_person_reads_the_answer(chrome: &Chrome, desk: &Desk, filed: &Filed) {
    let end = desk.until(filed, "the three-part answer", |s| s.step == Step::Ended && !s.answer.is_empty()).await;
    assert_eq!(end.ended_as, Some(EndedAs::Stopped));
    let outcomes: Vec<(ReportOutcome, u32)> = end.answer.iter().map(|p| (p.outcome, p.recipients)).collect();
    assert_eq!(outcomes, [(ReportOutcome::Applied, 1), (ReportOutcome::CannotIdentify, 1)]);
    let json = serde_json::to_string(&end).unwrap();
    assert!(!json.contains("analysis") && !json.contains("core-data"), "{json}");
    for lang in ["ja", "en"] {
        let w = Words::of_the_desk(lang);
        chrome.goto(&format!("{}/status?lang={lang}", desk.public_url)).await;
        public::ask(chrome, &filed.receipt.receipt_number, &filed.receipt.access_code).await;
        let answer = chrome.text("section[aria-labelledby=answer]").await;
        for key in ["stop-answer.title", "stop-answer.erased", "report-outcome.cannot-identify"] {
            assert!(answer.contains(w.t(key)), "{key}: {answer}");
        }
        assert!(!answer.contains("core-data"), "{answer}");
        look_over(chrome, lang).await;
    }
}

/// 封緘ファイル: one that comes later, in a closed network, is told of what stands by a file, and reports by one.
async fn carries_files_by_hand(chrome: &Chrome, desk: &Desk, w: &Words, base: &str, core: &Contractor) {
    let (closed, _) = prepared(desk, "closed-zone");
    let by = By::new(desk.staff, "a contractor of ours");
    let new = closed.registration(Transport::SealedFile, None, None);
    desk.obeyed("a recipient is registered", || desk.commands.register_recipient(by, new.clone())).await;
    let desk_key = eventually("it is told of what stands", || async {
        match desk.commands.recipient(closed.id).await.map_err(|e| e.to_string())? {
            RecipientReply::Found(view) if view.row.open == 1 => Ok(ReportKey::from_bytes(&view.desk_key.0).unwrap()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;

    chrome.goto(&format!("{base}/recipients/{}?lang={}", closed.id, w.lang)).await;
    chrome.press("a[href$='/files']").await;
    look_over(chrome, w.lang).await;
    chrome.press(".tools a[hreflang=ja]").await;
    look_over(chrome, "ja").await;
    chrome.press(".tools a[hreflang=en]").await;
    chrome.fill("#why-out", "for the visit on Monday").await;
    chrome.click("form[action$='/export'] button.main").await;
    let folder = desk.house.folder().join("downloads");
    let file = downloaded(&folder, "-1-1-1.sealed").await;
    let Opened { mut bodies, .. } = sealed_file::open(&file, closed.id, &closed.keys, &[desk_key]).unwrap();
    let body = bodies.pop().unwrap();

    let said = Report {
        instruction: apply::parse(&body).unwrap().id,
        recipient: closed.id,
        digest: digest_of(&body),
        stage: ReportStage::Reported { outcome: ReportOutcome::NoDataHeld, ground: None },
        time: desk.clock().now(),
        book_entry: None,
        erasures: vec![],
    };
    let back = folder.join("reports");
    let signed = [report::sign(&said, &closed.keys.signing)];
    let packed = pack_reports(closed.id, None, said.time, &signed, &closed.keys.signing).unwrap();
    std::fs::write(&back, packed).unwrap();
    chrome.type_into("#file", back.to_str().unwrap()).await;
    chrome.fill("#why-in", "brought back on Tuesday").await;
    chrome.press("form[action$='/import'] button.main").await;
    assert!(chrome.text(".answer.done").await.contains(w.t("files.taken")), "{}", chrome.main().await);
    assert!(chrome.text("tbody").await.contains(w.t("file-line.accepted")), "{}", chrome.main().await);
    look_over(chrome, w.lang).await;

    // Another one is not reached that way.
    chrome.goto(&format!("{base}/recipients/{}/files?lang={}", core.id, w.lang)).await;
    chrome.fill("#why-out", "by mistake").await;
    chrome.press("form[action$='/export'] button.main").await;
    assert!(chrome.text(".answer").await.contains(w.t("refusal.not-reached-by-file")), "{}", chrome.main().await);
}

/// The developers' pages of the gate, in both languages.
pub async fn the_developers_pages(chrome: &Chrome, desk: &Desk) {
    for path in ["/", "/gate"] {
        for lang in ["ja", "en"] {
            chrome.goto(&format!("{}{path}?lang={lang}", desk.partner_url)).await;
            look_over(chrome, lang).await;
        }
    }
}
