//! Whole letters: what they say is read back by another program, page by page.

use jiff::civil::Date;
use letter::{Addressee, Block, Honorific, Lang, Letter, LetterError, Sender, make};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::{io::Write, process::Command};

fn day() -> Date {
    "2026-11-03".parse().unwrap()
}

fn desk() -> Sender {
    let lines = ["〒100-0001 東京都千代田区千代田一丁目1番", "次世代医療基盤法 相談窓口", "電話 03-0000-0000"];
    Sender { name: "一般財団法人 見本医療情報機構".into(), lines: lines.map(str::to_owned).to_vec() }
}

fn person() -> Addressee {
    let address = vec!["東京都千代田区見本町一丁目２番３号".into(), "見本マンション４０５号室".into()];
    Addressee {
        postcode: "1000002".into(), address, name: "髙﨑 邉\u{e0100}太郎".into(), honorific: Honorific::Sama
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn letter(title: &str, blocks: Vec<Block>) -> Letter {
    let reference = Some("M-1234-5678-90".to_owned());
    Letter {
        lang: Lang::Ja,
        title: title.to_owned(),
        reference,
        date: day(),
        to: Some(person()),
        from: Some(desk()),
        blocks,
    }
}

/// 法53条書面: the six items.
fn stop_document() -> Letter {
    let facts = [
        ("医療情報取扱事業者の名称", "架空総合病院"),
        ("求めを行った者の氏名", "見本 花子"),
        ("求めを受けた日", "令和8年10月5日"),
        ("提供を停止した医療情報の種類", "匿名加工医療情報の作成に用いる医療情報"),
        ("提供を停止した日", "令和8年10月7日"),
        ("書面の交付日", "令和8年11月3日"),
    ];
    letter(
        "医療情報の提供停止に係る書面",
        vec![
            Block::Paragraph("医療分野の研究開発に資するための匿名加工医療情報及び仮名加工医療情報に関する法律第五十三条第一項の規定に基づき、次のとおり書面を交付します。".into()),
            Block::Facts(facts.map(|(label, value)| (label.to_owned(), value.to_owned())).to_vec()),
            Block::Paragraph("この書面は、提供の停止を求めた方に交付するものです。内容に誤りがあるときは、窓口までお知らせください。".into()),
            Block::Closing("以上".into()),
        ],
    )
}

fn deficiency() -> Letter {
    letter(
        "書類の補正のお願い",
        vec![
            Block::Paragraph("このたびは、開示のご請求をいただきありがとうございます。お送りいただいた書類を確認したところ、次の点についてお手続きが必要です。".into()),
            Block::Heading("不足している書類".into()),
            Block::Numbered(texts(&[
                "顔写真のある本人確認書類の写し（運転免許証、マイナンバーカードの表面など）のうち、いずれか一つ。個人番号は見えないように覆ってください。",
                "住民票の写し（作成の日から30日以内のもの）。",
            ])),
            Block::Heading("期限".into()),
            Block::Paragraph("令和8年11月24日までに、同封の封筒でお送りください。期限までにお送りいただけない場合でも、あらためてご請求いただけます。".into()),
            Block::Qr {
                data: "https://desk.example/c/M-1234-5678-90".into(),
                words: "この二次元コードから、書類の写真をお送りいただくこともできます。受付番号と、お手元の照会コードが必要です。".into(),
            },
            Block::Closing("以上".into()),
        ],
    )
}

fn power_of_attorney() -> Letter {
    let blocks = vec![
        Block::Paragraph("私は、次の者を代理人と定め、下記の権限を委任します。".into()),
        Block::Field { label: "代理人の氏名".into(), lines: 1 },
        Block::Field { label: "代理人の住所".into(), lines: 2 },
        Block::Choices {
            label: "委任する権限".into(),
            choices: texts(&["保有個人データの開示の請求", "結果の受領", "医療情報の提供の停止の求め"]),
        },
        Block::Field { label: "委任した日".into(), lines: 1 },
        Block::Signature { label: "委任者の住所・氏名".into() },
    ];
    Letter { to: None, from: None, reference: None, ..letter("委任状", blocks) }
}

fn english() -> Letter {
    let rows = (1..=120).map(|n| vec![n.to_string(), format!("Hospital number {n}"), "stopped".to_owned()]).collect();
    let head = texts(&["No.", "Hospital", "State"]);
    let long = "We received your request to stop the supply of your medical information. ".repeat(12);
    let blocks = vec![Block::Paragraph(long), Block::Table { head, widths: vec![1, 5, 2], rows }];
    Letter { lang: Lang::En, ..letter("Your request to stop the use of your data", blocks) }
}

/// What another program reads on each page; none where it is not installed.
fn read(pdf: &[u8]) -> Option<Vec<String>> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(pdf).unwrap();
    let Ok(output) = Command::new("pdftotext").args(["-layout", "-enc", "UTF-8"]).arg(file.path()).arg("-").output()
    else {
        not_run("poppler-utils");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut pages: Vec<String> = text.split('\u{c}').map(str::to_owned).collect();
    pages.pop();
    Some(pages)
}

/// Past the capture of the test harness: CI looks for it.
#[allow(clippy::explicit_write)]
fn not_run(package: &str) {
    writeln!(std::io::stdout(), "not run: install {package}").unwrap();
}

fn dense(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// With `MADOGUCHI_PICTURES=folder` the file is kept for a person to look at.
fn made(name: &str, letter: &Letter) -> letter::Made {
    let made = make(letter).unwrap();
    if let Some(folder) = std::env::var_os("MADOGUCHI_PICTURES") {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(std::path::Path::new(&folder).join(format!("{name}.pdf")), &made.pdf).unwrap();
    }
    made
}

#[test]
fn what_is_written_is_read_back() {
    for (name, letter, wanted) in [
        (
            "stop-document",
            stop_document(),
            vec![
                "架空総合病院",
                "令和8年10月7日",
                "〒100-0002",
                "一般財団法人見本医療情報機構",
                "M-1234-5678-90",
                "以上",
                "1/1",
            ],
        ),
        ("deficiency", deficiency(), vec!["作成の日から30日以内のもの", "二次元コードから", "2."]),
        ("power-of-attorney", power_of_attorney(), vec!["委任状", "結果の受領", "印"]),
    ] {
        let made = made(name, &letter);
        assert_eq!(made.pages, 1, "{name}");
        let Some(pages) = read(&made.pdf) else { return };
        let text = dense(&pages[0]);
        for wanted in wanted {
            assert!(text.contains(wanted), "{name}: `{wanted}` in {text}");
        }
    }
    let Some(pages) = read(&make(&stop_document()).unwrap().pdf) else { return };
    let text = dense(&pages[0]);
    assert!(text.contains("髙﨑邉") && text.contains('様'), "{text}");
}

/// Printed at 150 dots an inch, as a cheap scanner sees it.
#[test]
fn a_qr_code_is_read_back_from_paper() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("letter.pdf");
    for data in ["https://desk.example/c/M-1234-5678-90".to_owned(), "M-1234-5678-90 様式第1号 ".repeat(12)] {
        let blocks = vec![Block::Qr { data: data.clone(), words: "この用紙を同封してください。".into() }];
        std::fs::write(&file, make(&letter("送付状", blocks)).unwrap().pdf).unwrap();
        let drawn = Command::new("pdftoppm").args(["-gray", "-r", "150", "-singlefile"]).arg(&file).output();
        let Ok(output) = drawn else {
            not_run("poppler-utils");
            return;
        };
        let (width, height, pixels) = pgm(&output.stdout);
        let mut picture = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| pixels[y * width + x]);
        let grids = picture.detect_grids();
        assert_eq!(grids.len(), 1, "{data}");
        assert_eq!(grids[0].decode().unwrap().1, data);
    }
}

/// A grey picture in binary PGM: width, height, pixels.
fn pgm(bytes: &[u8]) -> (usize, usize, &[u8]) {
    let mut rest = bytes;
    let mut word = || {
        let end = rest.iter().position(u8::is_ascii_whitespace).unwrap();
        let (word, after) = rest.split_at(end);
        rest = &after[1..];
        std::str::from_utf8(word).unwrap().to_owned()
    };
    assert_eq!(word(), "P5");
    let (width, height, most) = (word().parse().unwrap(), word().parse().unwrap(), word());
    assert_eq!(most, "255");
    (width, height, rest)
}

#[test]
fn a_table_goes_on_with_its_head_on_every_page() {
    let made = made("english", &english());
    assert!(made.pages >= 4 && made.replaced.is_empty(), "{} pages, {:?}", made.pages, made.replaced);
    let Some(pages) = read(&made.pdf) else { return };
    assert_eq!(pages.len(), made.pages);
    for (n, page) in pages.iter().enumerate() {
        assert!(page.contains("Hospital  ") || page.contains("Hospital\n") || page.contains("State"), "{page}");
        assert!(page.contains(&format!("{}/{}", n + 1, made.pages)) && page.contains("M-1234-5678-90"), "{page}");
    }
    let all = pages.concat();
    for n in 1..=120 {
        assert_eq!(all.matches(&format!("Hospital number {n} ")).count(), 1, "row {n}");
    }
}

#[test]
fn a_cell_longer_than_a_page_loses_nothing() {
    let long: String = (0..2_000).map(|n| format!("語{n} ")).collect();
    let rows = vec![vec!["左".to_owned(), long], vec!["次".to_owned(), "短い".to_owned()]];
    let blocks = vec![Block::Table { head: texts(&["列", "値"]), widths: vec![1, 3], rows }];
    let made = make(&letter("長い表", blocks)).unwrap();
    assert!(made.pages > 2);
    let Some(pages) = read(&made.pdf) else { return };
    let text = dense(&pages.concat());
    for n in [0, 999, 1_999] {
        assert!(text.contains(&format!("語{n}")), "{n}");
    }
}

#[test]
fn the_same_letter_gives_the_same_bytes() {
    let digest = |letter: &Letter| Sha256::digest(make(letter).unwrap().pdf);
    for letter in [stop_document(), deficiency(), power_of_attorney(), english()] {
        assert_eq!(digest(&letter), digest(&letter), "{}", letter.title);
    }
    let other = Letter { date: "2026-11-04".parse().unwrap(), ..stop_document() };
    assert_ne!(digest(&stop_document()), digest(&other));
}

/// A name is on paper as the font can, and in the file as it was written.
#[test]
fn what_is_printed_otherwise_is_said_and_kept_as_it_was_written() {
    let mut letter = stop_document();
    letter.to.as_mut().unwrap().name = "𠮷田 一郎".into();
    let made = make(&letter).unwrap();
    let [said] = made.replaced[..] else { panic!("{:?}", made.replaced) };
    assert_eq!((said.place, said.character, said.by), (letter::Place::Addressee, '𠮷', Some('吉')));
    let Some(pages) = read(&made.pdf) else { return };
    assert!(dense(&pages[0]).contains("𠮷田一郎"), "{}", pages[0]);
}

#[test]
fn an_address_that_does_not_fit_is_refused_and_never_printed_over_the_letter() {
    let mut letter = stop_document();
    letter.to.as_mut().unwrap().address =
        vec!["東京都千代田区見本町一丁目２番３号見本マンション４０５号室".into(); 9];
    let error = make(&letter).unwrap_err();
    assert!(matches!(error, LetterError::TooMuch { what: "lines of the addressee", .. }), "{error}");
}

#[test]
fn limits_name_what_is_too_much() {
    let too_much = |letter: &Letter| match make(letter) {
        Err(LetterError::TooMuch { what, given, max }) => (what, given > max),
        other => panic!("{other:?}"),
    };
    let blocks = |block: Block, n| letter("x", vec![block; n]);
    assert_eq!(too_much(&blocks(Block::NewPage, letter::BLOCKS_MAX + 1)), ("blocks", true));
    assert_eq!(too_much(&blocks(Block::NewPage, letter::PAGES_MAX)), ("pages", true));
    assert_eq!(too_much(&blocks(Block::Paragraph("字".repeat(letter::CHARS_MAX + 1)), 1)), ("characters", true));
    let qr = |data: String| Block::Qr { data, words: "x".into() };
    assert_eq!(too_much(&blocks(qr("x".repeat(letter::QR_MAX + 1)), 1)), ("bytes of a QR code", true));
    let empty = Letter { title: "\u{200e} ".into(), ..letter("x", vec![]) };
    assert_eq!(make(&empty).unwrap_err().to_string(), "title: there is nothing to print: give it words");
    let odd = Block::Table { head: texts(&["a", "b"]), widths: vec![1, 1], rows: vec![texts(&["1"])] };
    assert_eq!(
        make(&blocks(odd, 1)).unwrap_err().to_string(),
        "block 1: a row has 1 cells, the head has 2, widths 2: give each the same number, at least one"
    );
}

#[test]
fn the_fonts_are_the_ones_that_were_chosen() {
    for (name, sha256) in [("BIZUDPGothic-Regular.ttf", REGULAR), ("BIZUDPGothic-Bold.ttf", BOLD)] {
        let bytes = std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fonts").join(name)).unwrap();
        let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, sha256, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    /// Whatever people write, there is a letter, and what is not printed as written is said.
    #[test]
    fn any_text_makes_a_letter(name in "\\PC{0,40}", text in any::<String>(), cell in "[\\x00-\\x20a-zあ-ん\u{202e}\u{5d0}]{0,300}") {
        let rows = vec![vec![cell.clone(), text.clone()]];
        let blocks = vec![
            Block::Heading(text.clone()),
            Block::Paragraph(text.clone()),
            Block::Numbered(vec![cell.clone()]),
            Block::Table { head: texts(&["a", "b"]), widths: vec![1, 2], rows },
            Block::Choices { label: name.clone(), choices: vec![text] },
        ];
        let mut letter = letter("試験", blocks);
        letter.to = Some(Addressee { postcode: String::new(), address: vec![cell.chars().filter(|c| *c != '\n').take(20).collect()], name, honorific: Honorific::Sama });
        let made = make(&letter).unwrap();
        prop_assert!(made.pdf.starts_with(b"%PDF-1.7"));
        // The table has all of it, whatever the address has.
        if cell.contains('\u{202e}') {
            let said = made.replaced.iter().any(|r| r.character == '\u{202e}' && r.by.is_none());
            prop_assert!(said);
        }
    }
}

const REGULAR: &str = "22f41ce68f1ce62477ca4ec1e2c0c400cc545ddff31d713e8edf87808614aeb2";
const BOLD: &str = "1a995936e0f9de8a7c142c97cdb679e7087e89c13e663f946cd047f4283cedf8";
