use crate::desk::{Answer, Desk, MARKER};
use contracts::{Channel, Kind, Scope, Standing};
use door::wish::Wish;
use privacy_seal::filing::Filing;
use std::collections::BTreeSet;

const FORM: &[(&str, &str)] = &[
    ("kind", "provision-stop"),
    ("capacity", "person"),
    ("scope", "both"),
    ("person-name", "標識 花子"),
    ("person-kana", "ひょうしき はなこ"),
    ("person-birth_date", "昭和55年4月1日"),
    ("person-sex", "female"),
    ("person-address", "東京都標識区1-2-3"),
    ("hospitals-0-name", "標識病院"),
    ("hospitals-1-name", "第二標識病院"),
];

fn with<'a>(token: &'a str, changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![("token", token)];
    fields.extend(FORM.iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name)));
    fields.extend_from_slice(changes);
    fields
}

/// What holds of every page: a language, one heading of the first rank, no script, labels for fields, links that lead somewhere.
fn is_well_made(page: &Answer, language: &str) {
    let html = &page.text;
    assert!(html.contains(&format!("<html lang=\"{language}\">")), "{html}");
    assert_eq!(html.matches("<h1>").count(), 1);
    assert_eq!(html.matches("<main ").count(), 1);
    assert!(!html.contains("<script") && !html.contains(" style="), "{html}");
    for event in [" onclick=", " onload=", " onsubmit=", " onchange=", " onerror="] {
        assert!(!html.contains(event), "{event}");
    }
    let after = |mark: &str| -> BTreeSet<String> {
        html.split(mark).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    let ids = after(" id=\"");
    assert_eq!(ids.len(), html.matches(" id=\"").count(), "ids are there once");
    for reference in after(" href=\"#").into_iter().chain(after(" for=\"")) {
        assert!(ids.contains(&reference), "#{reference}");
    }
    for list in after("aria-describedby=\"").into_iter().chain(after("aria-labelledby=\"")) {
        for id in list.split(' ') {
            assert!(ids.contains(id), "{id}");
        }
    }
    let labelled = after(" for=\"");
    for field in html.split("<input ").skip(1).chain(html.split("<textarea ").skip(1)) {
        let tag = field.split('>').next().unwrap();
        if !tag.contains("type=\"hidden\"") {
            let id = tag.split("id=\"").nth(1).unwrap().split('"').next().unwrap();
            assert!(labelled.contains(id), "no label for {id}");
        }
    }
    let csp = page.header("content-security-policy");
    assert!(csp.starts_with("default-src 'none'") && csp.contains("frame-ancestors 'none'"));
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(page.header("set-cookie"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_well_made_in_all_words() {
    let desk = Desk::start(&[]).await;
    let mut paths = vec!["/".to_owned(), "/status".to_owned(), "/published".to_owned()];
    paths.extend(Wish::ALL.iter().map(|wish| format!("/wishes/{}", wish.as_str())));
    paths.extend(Kind::ALL.iter().map(|kind| format!("/requests/new?kind={kind}")));
    for path in &paths {
        for (language, words) in [("ja", "医療情報の請求窓口"), ("en", "Medical data request desk")] {
            let page = desk.page(path, language).await;
            assert_eq!(page.status, 200);
            is_well_made(&page, language);
            assert!(page.text.contains(words));
        }
        let easy = desk.page(&format!("{path}{}lang=ja-easy", if path.contains('?') { '&' } else { '?' }), "en").await;
        is_well_made(&easy, "ja");
        assert!(easy.text.contains("<ruby>窓口<rp>(</rp><rt>まどぐち</rt><rp>)</rp></ruby>"));
        assert!(!easy.text.contains("|まどぐち"), "no mark is left");
        assert!(
            easy.text.split("<title>").nth(1).unwrap().split("</title>").next().unwrap().contains("医療情報の 窓口")
        );
        let sign = if path.contains('?') { '&' } else { '?' };
        is_well_made(&desk.page(&format!("{path}{sign}lang=en"), "ja").await, "en");
    }
    let nothing = desk.page("/nothing", "en").await;
    assert_eq!(nothing.status, 404);
    is_well_made(&nothing, "en");
    for kind in ["x", "%3Cscript%3E"] {
        assert_eq!(desk.page(&format!("/wishes/{kind}"), "ja").await.status, 404, "{kind}");
        assert_eq!(desk.page(&format!("/requests/new?kind={kind}"), "ja").await.status, 404, "{kind}");
    }
    let style = desk.page("/assets/door.css", "ja").await;
    assert!(style.header("content-type").starts_with("text/css"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_to_be_known_stands_before_the_first_field() {
    let desk = Desk::start(&[]).await;
    let page = desk.page("/requests/new?kind=disclosure", "ja").await;
    let before = page.text.split("<form ").next().unwrap();
    for words in ["4,000円", "本人確認書類", "個人情報を使う目的", "2〜4週間", "マイナンバー"]
    {
        assert!(before.contains(words), "{words}");
    }
    // From the wish on: what is easier, fee, papers, time and law, on a page without a field.
    let wish = desk.page("/wishes/stop-on-ground", "en").await;
    assert!(!wish.text.contains("<input "));
    for words in
        ["a stop of provision is simpler", "href=\"/wishes/stop?lang=en\"", "Free of charge", "identity document"]
    {
        assert!(wish.text.contains(words), "{words}");
    }
    assert!(wish.text.contains("href=\"/requests/new?kind=suspension&amp;lang=en\""));
    assert!(desk.page("/wishes/stop", "en").await.text.contains("simply tell the hospital"));
    assert!(!desk.page("/wishes/complain", "en").await.text.contains("identity document"), "nothing to prove");
    assert!(desk.page("/requests/new?kind=provision-stop", "ja").await.text.contains("病院に直接言う"));
    assert!(!page.text.contains("capacity-bereaved"), "the bereaved have no disclosure");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_with_errors_comes_back_with_what_was_typed() {
    let desk = Desk::start(&[]).await;
    let token = desk.page("/requests/new?kind=provision-stop", "ja").await.hidden("token");
    let typed = "<script>alert(1)</script>";
    let fields = with(
        &token,
        &[("person-birth_date", "2999-01-01"), ("person-address", ""), ("words", typed), ("person-kana", "Hanako")],
    );
    let page = desk.send_form("/requests/new?lang=ja", &fields).await;
    assert_eq!(page.status, 422);
    is_well_made(&page, "ja");
    for link in ["#person-birth_date", "#person-address", "#person-kana"] {
        assert!(page.text.contains(&format!("href=\"{link}\"")), "{link}");
    }
    assert!(page.text.contains("標識 花子") && page.text.contains("2999-01-01") && page.text.contains("第二標識病院"));
    assert!(page.text.contains("&#60;script&#62;"), "escaped");
    assert!(page.text.contains("<title>誤り: "));
    assert_eq!(page.hidden("token"), token, "nothing was filed under it");
    assert_eq!(desk.count("filing").await, 0);

    let somebody = with(&token, &[("representative-name", "標識 太郎")]);
    let page = desk.send_form("/requests/new?lang=en", &somebody).await;
    is_well_made(&page, "en");
    assert!(page.text.contains("class=\"show-representative\"") && page.text.contains("href=\"#capacity-person\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_sent_twice_is_one_filing_and_one_receipt() {
    let desk = Desk::start(&[]).await;
    let token = desk.page("/requests/new?kind=provision-stop", "ja").await.hidden("token");
    let first = desk.send_form("/requests/new?lang=ja", &with(&token, &[])).await;
    assert_eq!(first.status, 201, "{}", first.text);
    is_well_made(&first, "ja");
    let again = desk.send_form("/requests/new?lang=ja", &with(&token, &[])).await;
    assert_eq!(first.text, again.text);
    let opened = desk.open().await;
    let [(_, Filing::Request(request))] = &opened[..] else { panic!("one request") };
    assert_eq!(request.channel, Channel::Web);
    assert_eq!(request.person.kana, "ヒョウシキ\u{3000}ハナコ");
    assert_eq!(request.hospitals, ["標識病院", "第二標識病院"]);
    assert!(first.text.contains(&request.receipt_number.to_string()));
    assert!(!first.text.contains(MARKER), "the receipt can be left on a table");

    // Changed and sent again: the first stands, and a new token lets the person decide.
    let changed = desk.send_form("/requests/new?lang=ja", &with(&token, &[("words", "more")])).await;
    assert_eq!(changed.status, 422);
    assert!(changed.text.contains("もう送られています"));
    let fresh = changed.hidden("token");
    assert_ne!(fresh, token);
    assert_eq!(desk.send_form("/requests/new?lang=ja", &with(&fresh, &[("words", "more")])).await.status, 201);
    assert_eq!(desk.count("filing").await, 2);

    let no_token = desk.send_form("/requests/new?lang=ja", FORM).await;
    assert_eq!(no_token.status, 400);
}

/// Without script: the button asks for a row, files nothing and loses nothing; rows left empty are not sent.
#[tokio::test(flavor = "multi_thread")]
async fn the_hospitals_grow_by_a_button_up_to_ten_and_nothing_typed_is_lost() {
    let desk = Desk::start(&[]).await;
    let token = desk.page("/requests/new?kind=disclosure", "ja").await.hidden("token");
    let names: Vec<String> = (0..10).map(|n| format!("hospitals-{n}-name")).collect();
    for filled in [2, 9, 10] {
        let mut typed =
            vec![("kind", "disclosure"), ("more", "hospitals"), ("person-sex", "other"), ("words", "標識<")];
        typed.extend(names.iter().take(filled).map(|name| (name.as_str(), "標識病院")));
        typed.extend([("token", token.as_str()), ("hospitals-1-patient_number", "0-1")]);
        let page = desk.send_form("/requests/new?lang=ja", &typed).await;
        assert_eq!(page.status, 200);
        is_well_made(&page, "ja");
        assert!(!page.text.contains("class=\"summary\""), "asking for a row is no mistake");
        let rows = page.text.matches("-patient_number\" name=").count();
        assert_eq!(rows, (filled + 1).min(10));
        assert_eq!(page.text.contains("name=\"more\""), rows < 10);
        let focus = format!("id=\"hospitals-{filled}-name\" name=\"hospitals-{filled}-name\" value=\"\"");
        assert_eq!(page.text.contains(&focus), filled < 10);
        assert_eq!(page.text.matches("value=\"標識病院\"").count(), filled);
        assert!(page.text.contains("value=\"0-1\"") && page.text.contains("標識&#60;"));
        assert!(page.text.contains("value=\"other\" checked") && page.hidden("token") == token);
    }
    assert_eq!(desk.count("filing").await, 0);
    let rows = [
        ("hospitals-0-name", ""),
        ("hospitals-1-name", "標識病院"),
        ("hospitals-1-period", "2019年ごろ"),
        ("hospitals-3-name", "第二標識病院"),
        ("former_names", "標識 旧子"),
        ("safe_contact", "標識の連絡"),
    ];
    assert_eq!(desk.send_form("/requests/new?lang=ja", &with(&token, &rows)).await.status, 201);
    let opened = desk.open().await;
    let [(_, Filing::Request(request))] = &opened[..] else { panic!("one request") };
    assert_eq!(request.hospitals, ["標識病院", "第二標識病院"]);
    let said = &request.circumstances;
    assert!(said.visits.len() == 1 && said.visits[0].hospital == "標識病院" && said.visits[0].period == "2019年ごろ");
    assert_eq!((&said.former_names[..], &*said.safe_contact), (&["標識 旧子".to_owned()][..], "標識の連絡"));
}

/// やさしい日本語 is a way to read: what is filed is Japanese, and the staff learn that easy words are wished for.
#[tokio::test(flavor = "multi_thread")]
async fn easy_words_stay_from_page_to_page_and_the_wish_for_them_is_filed() {
    let desk = Desk::start(&[]).await;
    for path in ["/?lang=ja-easy", "/wishes/see?lang=ja-easy", "/requests/new?kind=disclosure&lang=ja-easy"] {
        let page = desk.page(path, "en").await;
        let own = page.text.split("href=\"/").skip(1).filter(|link| !link.starts_with("assets/"));
        let other = own.filter(|link| !link.split('"').next().unwrap().ends_with("lang=ja-easy")).count();
        assert_eq!(other, 2, "{path}: only the links to the other sets lead away");
    }
    let token = desk.page("/requests/new?kind=provision-stop&lang=ja-easy", "en").await.hidden("token");
    let marked = [("person-birth_date", ""), ("words", "{標識|x}<b>")];
    let told = desk.send_form("/requests/new?lang=ja-easy", &with(&token, &marked)).await;
    is_well_made(&told, "ja");
    assert!(told.text.contains("{標識|x}&#60;b&#62;"), "what was typed is no mark");
    let receipt = desk.send_form("/requests/new?lang=ja-easy", &with(&token, &[])).await;
    assert_eq!(receipt.status, 201);
    is_well_made(&receipt, "ja");
    let opened = desk.open().await;
    let [(_, Filing::Request(request))] = &opened[..] else { panic!("one request") };
    assert_eq!(request.language, contracts::Language::Ja);
    assert_eq!(request.circumstances.standing, [Standing::EasyJapanese]);
}

/// Duties row 2: who is none of the six relatives is told so, and led to a consultation.
#[tokio::test(flavor = "multi_thread")]
async fn a_niece_is_offered_a_consultation_and_a_common_law_husband_is_taken() {
    let desk = Desk::start(&[]).await;
    let form = desk.page("/requests/new?kind=provision-stop", "en").await;
    let token = form.hidden("token");
    let bereaved = [
        ("capacity", "bereaved"),
        ("representative-name", "標識 太郎"),
        ("representative-address", "東京都標識区1-2-3"),
    ];
    let mut fields = with(&token, &bereaved);
    fields.push(("standing-relation", "other"));
    let told = desk.send_form("/requests/new?lang=en", &fields).await;
    assert_eq!(told.status, 422);
    is_well_made(&told, "en");
    assert!(told.text.contains("a spouse (common-law included), child, parent, grandchild, grandparent or sibling"));
    assert!(told.text.contains("href=\"/requests/new?kind=consultation&amp;lang=en\""));
    fields.pop();
    fields.push(("standing-relation", "common-law-spouse"));
    assert_eq!(desk.send_form("/requests/new?lang=en", &fields).await.status, 201);
    let opened = desk.open().await;
    let [(_, Filing::Request(request))] = &opened[..] else { panic!("one request") };
    assert_eq!(request.circumstances.standing, [Standing::CommonLawSpouse]);
}

/// Duties row 39.
#[tokio::test(flavor = "multi_thread")]
async fn do_not_use_my_data_without_a_ground_is_filed_as_a_stop_and_the_receipt_says_so() {
    let desk = Desk::start(&[]).await;
    let token = desk.page("/requests/new?kind=suspension", "en").await.hidden("token");
    let fields = with(&token, &[("kind", "suspension"), ("scope", ""), ("words", "")]);
    let receipt = desk.send_form("/requests/new?lang=en", &fields).await;
    assert_eq!(receipt.status, 201, "{}", receipt.text);
    is_well_made(&receipt, "en");
    assert!(receipt.text.contains("You gave no ground, so we took this as a stop"));
    let opened = desk.open().await;
    let [(_, Filing::Request(request))] = &opened[..] else { panic!("one request") };
    assert_eq!((request.kind, request.scope), (Kind::ProvisionStop, Some(Scope::Both)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_page_and_the_way_back() {
    let desk = Desk::start(&[]).await;
    let token = desk.page("/requests/new?kind=provision-stop", "en").await.hidden("token");
    let receipt = desk.send_form("/requests/new?lang=en", &with(&token, &[])).await;
    let codes: Vec<_> = receipt.text.split("<code>").skip(1).map(|rest| rest.split('<').next().unwrap()).collect();
    let [number, code] = codes[..] else { panic!("number and code") };

    let page = desk.send_form("/status?lang=en", &[("receipt_number", number), ("access_code", code)]).await;
    assert_eq!(page.status, 200);
    is_well_made(&page, "en");
    assert!(page.text.contains("<strong>Received</strong>"));
    let sure = desk.send_form("/status/withdrawal?lang=en", &[("receipt_number", number), ("access_code", code)]).await;
    is_well_made(&sure, "en");
    assert_eq!(desk.count("filing").await, 1, "asked first");
    let fields = [("receipt_number", number), ("access_code", code), ("confirm", "yes")];
    let done = desk.send_form("/status/withdrawal?lang=en", &fields).await;
    is_well_made(&done, "en");
    assert!(done.text.contains("We have received your withdrawal"));
    assert_eq!(desk.count("filing").await, 2);

    let slip = desk.send_form("/status?lang=en", &[("receipt_number", "M-0"), ("access_code", "x")]).await;
    assert_eq!(slip.status, 422);
    is_well_made(&slip, "en");
    let wrong =
        desk.send_form("/status?lang=en", &[("receipt_number", number), ("access_code", "0000000000000000")]).await;
    assert_eq!(wrong.status, 404);
    is_well_made(&wrong, "en");
    assert!(!wrong.text.contains(code));
    for page in [&page, &sure, &done, &slip, &wrong] {
        for address in page.text.split("href=\"").skip(1).chain(page.text.split("action=\"").skip(1)) {
            let address = address.split('"').next().unwrap();
            assert!(!address.contains(number) && !address.contains(code), "{address}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn oversized_and_foreign_forms_are_refused_as_pages() {
    let desk = Desk::start(&[]).await;
    let big = "x".repeat(70_000);
    let page = desk.send_form("/requests/new?lang=en", &[("kind", "disclosure"), ("words", &big)]).await;
    assert_eq!(page.status, 413);
    is_well_made(&page, "en");
    let json = Answer::of(desk.http.post(format!("{}/requests/new", desk.base)).json(&serde_json::json!({}))).await;
    assert_eq!(json.status, 400);
}
