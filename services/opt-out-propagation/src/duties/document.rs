//! 法53条書面 and the letters around it, as pages for paper. Pure: values in, HTML out; nothing of it is ever stored in the clear.
//!
//! The document has six items (Rules art. 51) and is one per hospital and track (Act arts. 53, 58). It names the requester, who may
//! be a relative, and not the patient. Japanese first, as the law has it; letters to persons have English below.

use contracts::{Date, Scope, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// Who asked for the stop: the person, or who acts for them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requester {
    /// 氏名.
    pub name: String,
    /// 住所, where it was stated.
    #[serde(default)]
    pub address: Option<String>,
}

/// 法53条書面: what is sealed and kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopDocument {
    /// The hospital, as the person named it.
    pub hospital: String,
    /// One track.
    pub track: Scope,
    /// (ii) 求めを行った者.
    pub requester: Requester,
    /// (iii) 求めを受けた年月日: of the desk.
    pub desk_received_on: Date,
    /// The hospital's own, where it is known already.
    pub hospital_received_on: Option<Date>,
    /// (v) 提供を停止した年月日: as the hospital says.
    pub stopped_on: Option<Date>,
    /// Since when the operator receives nothing (Act art. 56).
    pub blocked_on: Date,
    /// (vi) 交付の年月日.
    pub issued_on: Date,
}

/// 作業依頼: what a hospital gets to act on.
#[derive(Clone, PartialEq, Eq)]
pub struct WorkOrder {
    /// What is to stand in its document.
    pub document: StopDocument,
    /// Whom the data are about: the hospital has to find them.
    pub patient: String,
    /// 振り仮名.
    pub kana: String,
    /// 生年月日.
    pub birth_date: Date,
}

/// One hospital in the person's letter.
#[derive(Clone, PartialEq, Eq)]
pub struct Told {
    /// The hospital.
    pub hospital: String,
    /// It was told, or not for want of consent.
    pub told: bool,
    /// When it had the stop.
    pub received_at: Option<Timestamp>,
}

fn day(date: Date) -> String {
    format!("{}年{}月{}日", date.year(), date.month(), date.day())
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// The word for a track, in Japanese and English.
pub const fn track(scope: Scope) -> (&'static str, &'static str) {
    match scope {
        Scope::Anonymised => ("匿名加工医療情報の作成のための提供", "supply for anonymised medical data"),
        Scope::Pseudonymised => ("仮名加工医療情報の作成のための提供", "supply for pseudonymised medical data"),
        Scope::Both => ("匿名加工医療情報及び仮名加工医療情報の作成のための提供", "supply for both"),
    }
}

/// The article under which the document is issued.
const fn article(scope: Scope) -> &'static str {
    match scope {
        Scope::Anonymised => "第53条第1項",
        Scope::Pseudonymised => "第58条において準用する同法第53条第1項",
        Scope::Both => "第53条第1項及び第58条において準用する同項",
    }
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"ja\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><link rel=\"stylesheet\" href=\"/assets/print.css\"></head><body><main>{body}</main></body></html>"
    )
}

fn row(out: &mut String, name: &str, value: &str) {
    // Writing to a String cannot fail.
    let _ = write!(out, "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>");
}

fn requester(of: &Requester) -> String {
    let address = of.address.as_deref().map(|a| format!("<br>住所 {}", escaped(a))).unwrap_or_default();
    format!("{}{address}", escaped(&of.name))
}

fn received(d: &StopDocument) -> String {
    let hospital = match d.hospital_received_on {
        Some(on) => format!("{}（医療機関）", day(on)),
        None => "医療機関では未受領".into(),
    };
    format!("{}（窓口）<br>{hospital}", day(d.desk_received_on))
}

fn stopped(d: &StopDocument) -> String {
    match d.stopped_on {
        Some(on) => day(on),
        // The operator's own date, and it says so.
        None => format!("{}（認定事業者が受領を停止した日）", day(d.blocked_on)),
    }
}

/// The document of Act art. 53, with its six items.
pub fn stop_document(d: &StopDocument) -> String {
    let mut rows = String::new();
    row(&mut rows, "求めがあった旨", &format!("{}を停止するよう求めがありました。", track(d.track).0));
    row(&mut rows, "求めを行った者", &requester(&d.requester));
    row(&mut rows, "求めを受けた年月日", &received(d));
    row(
        &mut rows,
        "この書面について",
        &format!(
            "医療分野の研究開発に資するための匿名加工医療情報及び仮名加工医療情報に関する法律{}の規定により交付するものです。",
            article(d.track)
        ),
    );
    row(&mut rows, "提供を停止した年月日", &stopped(d));
    row(&mut rows, "交付の年月日", &day(d.issued_on));
    let by = format!("<p class=\"by\">{}</p>", escaped(&d.hospital));
    page("提供停止の書面", &format!("<h1>医療情報の提供停止に係る書面</h1><table>{rows}</table>{by}"))
}

/// The work order: what the hospital needs to find the person and to hand over its document.
pub fn work_order(w: &WorkOrder) -> String {
    let d = &w.document;
    let mut rows = String::new();
    row(&mut rows, "停止する提供", track(d.track).0);
    let patient = format!("{}（{}）<br>{}生", escaped(&w.patient), escaped(&w.kana), day(w.birth_date));
    row(&mut rows, "対象となる本人", &patient);
    row(&mut rows, "求めを行った者", &requester(&d.requester));
    row(&mut rows, "求めを受けた年月日", &received(d));
    row(
        &mut rows,
        "提供を停止した年月日",
        d.stopped_on.map_or("　　　　年　　月　　日（ご記入ください）".into(), day).as_str(),
    );
    row(
        &mut rows,
        "書面の交付",
        &format!("法{}の書面を、求めを行った者に遅滞なく交付してください。写しは3年間保存します。", article(d.track)),
    );
    let to = format!("<p>{} 御中</p>", escaped(&d.hospital));
    page("作業依頼", &format!("{to}<h1>医療情報の提供停止の求めについて（作業依頼）</h1><table>{rows}</table>"))
}

/// The person's letter: which track is stopped, how to stop the other one; who was told, and the way to those who were not.
pub fn stop_notice(scope: Scope, blocked_on: Date, told: &[Told]) -> String {
    let other = match scope {
        Scope::Anonymised => Some(Scope::Pseudonymised),
        Scope::Pseudonymised => Some(Scope::Anonymised),
        Scope::Both => None,
    };
    let mut ja = format!(
        "<h1>提供停止のお知らせ</h1><p>{}から、{}を受けないようにしました。</p>",
        day(blocked_on),
        track(scope).0
    );
    let mut en = format!(
        "<section lang=\"en\"><h2>Notice of your stop</h2><p>Since {blocked_on} we accept no {}.</p>",
        track(scope).1
    );
    if let Some(other) = other {
        let _ = write!(
            ja,
            "<p><strong>停止したのは一方だけです。</strong>{}は停止していません。こちらも停止を希望されるときは、医療機関又は窓口に、\
             書面、口頭その他の方法でお申し出ください。理由も費用も要りません。</p>",
            track(other).0
        );
        let _ = write!(
            en,
            "<p><strong>Only one of two is stopped.</strong> The {} goes on. To stop it too, tell the hospital or this desk, in \
             writing, by word of mouth or in any other way. No reason and no fee is asked for.</p>",
            track(other).1
        );
    }
    hospitals(&mut ja, &mut en, told);
    page("提供停止のお知らせ", &format!("{ja}{en}</section>"))
}

fn hospitals(ja: &mut String, en: &mut String, told: &[Told]) {
    if told.is_empty() {
        return;
    }
    let (mut left, mut done) = (String::new(), String::new());
    for t in told {
        let name = escaped(&t.hospital);
        match (t.told, t.received_at) {
            (false, _) => {
                let _ = write!(left, "<li>{name}</li>");
            }
            (true, None) => {
                let _ = write!(done, "<li>{name}：未確認（not confirmed yet）</li>");
            }
            (true, Some(at)) => {
                let on = calendar::jst_date(at);
                let _ = write!(done, "<li>{name}：{}に受領（received {on}）</li>", day(on));
            }
        }
    }
    if !done.is_empty() {
        let _ = write!(ja, "<h2>お伝えした医療機関 / Hospitals that were told</h2><ul>{done}</ul>");
    }
    if !left.is_empty() {
        let _ = write!(
            ja,
            "<h2>お伝えしていない医療機関 / Hospitals that were not told</h2><ul>{left}</ul><p>お伝えすることへの同意がないため、お伝えして\
             いません。当方が受け取らないことは変わりません。医療機関には、書面、口頭その他の方法で直接お申し出いただけます。</p>"
        );
        let _ = write!(
            en,
            "<p>Hospitals that were not told: we have no consent to tell them. We accept nothing from them all the same. You may \
             tell them yourself, in writing, by word of mouth or in any other way.</p>"
        );
    }
}

/// The letter to somebody who wants another's stop lifted (duty 9). It names nobody and confirms nothing about anybody.
pub fn disagreement(received_on: Date) -> String {
    let body = format!(
        "<h1>お申出について</h1><p>{}にお申出をいただきました。お申出は記録しました。</p>\
         <p>提供の停止は、窓口が解除することはできません。提供が行われるには、医療機関があらかじめ本人に改めて通知し、主務大臣に届け出ること\
         （法第52条第1項、第57条第1項）が必要です。ご遺族の間でご意見が異なる場合も同じです。</p>\
         <section lang=\"en\"><h2>About what you asked</h2><p>We received it on {received_on} and recorded it.</p><p>This desk cannot lift a \
         stop. Supply would need a new notice by the hospital to the person beforehand, and its filing (Act arts. 52(1), 57(1)). \
         That is so also when relatives do not agree.</p></section>",
        day(received_on)
    );
    page("お申出について", &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn document() -> StopDocument {
        StopDocument {
            hospital: "みどり病院 <本院>".into(),
            track: Scope::Pseudonymised,
            requester: Requester { name: "山田 春子".into(), address: Some("東京都文京区1".into()) },
            desk_received_on: date("2026-11-20"),
            hospital_received_on: None,
            stopped_on: None,
            blocked_on: date("2026-11-21"),
            issued_on: date("2026-11-23"),
        }
    }

    #[test]
    fn rules_51_given_a_document_then_it_has_six_items_and_its_track_has_its_article() {
        let html = stop_document(&document());
        assert_eq!(html.matches("<tr>").count(), 6);
        for words in [
            "仮名加工医療情報",
            "山田 春子",
            "2026年11月20日（窓口）",
            "第58条において準用する同法第53条第1項",
            "2026年11月23日",
        ] {
            assert!(html.contains(words), "{words}");
        }
        assert!(html.contains("2026年11月21日（認定事業者が受領を停止した日）") && html.contains("医療機関では未受領"));
        assert!(html.contains("みどり病院 &lt;本院&gt;"), "what people wrote is no markup");
        let confirmed = StopDocument {
            track: Scope::Anonymised,
            hospital_received_on: Some(date("2026-11-22")),
            stopped_on: Some(date("2026-11-22")),
            ..document()
        };
        let html = stop_document(&confirmed);
        assert!(html.contains("2026年11月22日（医療機関）") && html.contains(">2026年11月22日<"));
        assert!(html.contains("法律第53条第1項") && !html.contains("第58条"));
    }

    #[test]
    fn row_3_given_a_stop_of_one_track_then_the_letter_says_so_and_how_to_stop_the_other() {
        let html = stop_notice(Scope::Anonymised, date("2026-11-21"), &[]);
        assert!(html.contains("停止したのは一方だけです") && html.contains("Only one of two is stopped"));
        assert!(html.contains("仮名加工医療情報の作成のための提供は停止していません"));
        assert!(!stop_notice(Scope::Both, date("2026-11-21"), &[]).contains("一方だけ"));
    }

    #[test]
    fn row_46_given_no_consent_then_the_letter_shows_the_way_to_the_hospital() {
        let told = |hospital: &str, told| Told { hospital: hospital.into(), told, received_at: None };
        let html = stop_notice(Scope::Both, date("2026-11-21"), &[told("あかね病院", false), told("みどり病院", true)]);
        let (before, after) = html.split_once("お伝えしていない医療機関").unwrap();
        assert!(before.contains("みどり病院") && !before.contains("あかね病院") && after.contains("あかね病院"));
        assert!(after.contains("直接お申し出いただけます"));
    }
}
