//! Reading one mail. `mail-parser` finds the structure and takes the transfer encodings away; characters are ours, because it
//! shows replacement characters, or other kanji, for much of Japanese mail.
//!
//! Call it behind [`crate::bytes::check`] and in a process that may die ([`crate::apart`]).

use crate::{
    bytes::{self, TooMuch},
    charset,
    file::Attachment,
    header,
    view::{ADDRESSES_MAX, ATTACHMENT_MAX, ATTACHMENTS_MAX, Doubt, HEADER_MAX, Mail, Mailbox, Marks, TEXT_MAX},
};
use mail_parser::{
    Address, Encoding, HeaderName, HeaderValue, Message, MessageParser, MessagePart, PartType,
    decoders::{html::html_to_text, quoted_printable::quoted_printable_decode},
};
use std::{collections::BTreeSet, ops::Range};

/// What stands before the text of an inner mail.
const INNER: &str = "\n----------\n";

/// Why nothing can be shown of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Over a limit.
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
    /// Not a single header.
    #[error("not-a-mail")]
    NotAMail,
}

impl Unreadable {
    /// The word for it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooMuch(limit) => limit.code(),
            Self::NotAMail => "not-a-mail",
        }
    }
}

/// Reads a mail.
///
/// # Errors
/// A limit, or nothing in it is a header.
pub fn read(raw: &[u8]) -> Result<Mail, Unreadable> {
    bytes::check(raw)?;
    let message = MessageParser::default().parse(raw).ok_or(Unreadable::NotAMail)?;
    if message.parts.len() > bytes::PARTS_MAX {
        return Err(TooMuch::Parts.into());
    }
    if message.root_part().headers.is_empty() {
        return Err(Unreadable::NotAMail);
    }
    let mut reader = Reader { mail: Mail::default(), texts: String::new() };
    reader.headers(&message);
    reader.parts(&message, 0);
    let mut mail = reader.mail;
    mail.text = reader.texts.trim_end().to_owned();
    for file in &mail.attachments {
        file.doubts(&mut mail.doubts);
    }
    Ok(mail)
}

struct Reader {
    mail: Mail,
    texts: String,
}

/// A header as it is written, without its name.
fn raw<'m>(message: &'m Message<'_>, part: &MessagePart<'_>, name: &str) -> Vec<&'m [u8]> {
    let is = |h: &&mail_parser::Header<'_>| h.name.as_str().eq_ignore_ascii_case(name);
    let bytes = |h: &mail_parser::Header<'_>| {
        message.raw_message.get(h.offset_start as usize..h.offset_end as usize).unwrap_or_default()
    };
    part.headers.iter().filter(is).map(bytes).collect()
}

impl Reader {
    fn text_of(&mut self, raw: &[u8]) -> String {
        let text = header::decode(&raw[..raw.len().min(64 * 1024)], &mut self.mail.doubts);
        if text.chars().count() > HEADER_MAX {
            self.mail.doubts.insert(Doubt::Cut);
        }
        text.chars().take(HEADER_MAX).collect()
    }

    fn first(&mut self, message: &Message<'_>, name: &str) -> String {
        let found = raw(message, message.root_part(), name);
        found.first().map_or(String::new(), |raw| self.text_of(raw))
    }

    fn all(&mut self, message: &Message<'_>, name: &str) -> Vec<String> {
        raw(message, message.root_part(), name).into_iter().take(20).map(|raw| self.text_of(raw)).collect()
    }

    fn headers(&mut self, message: &Message<'_>) {
        self.mail.message_id = ids(message.header(HeaderName::MessageId)).into_iter().next().unwrap_or_default();
        self.mail.in_reply_to = ids(message.header(HeaderName::InReplyTo));
        self.mail.references = ids(message.header(HeaderName::References));
        self.mail.from = self.mailboxes(message, "From", message.from());
        self.mail.reply_to = self.mailboxes(message, "Reply-To", message.reply_to());
        self.mail.to = self.mailboxes(message, "To", message.to());
        self.mail.cc = self.mailboxes(message, "Cc", message.cc());
        self.mail.subject = self.first(message, "Subject");
        self.mail.date = self.first(message, "Date");
        self.mail.authentication_results = self.all(message, "Authentication-Results");
        self.marks(message);
    }

    fn marks(&mut self, message: &Message<'_>) {
        let return_path = raw(message, message.root_part(), "Return-Path");
        let return_path = return_path.first().map(|raw| self.text_of(raw).trim_matches(['<', '>', ' ']).to_owned());
        let lists = ["List-Id", "List-Unsubscribe", "List-Post", "Mailing-List", "X-ML-Name"];
        let content_type = raw(message, message.root_part(), "Content-Type").first().copied().unwrap_or_default();
        let parameters = header::parameters(content_type, &mut BTreeSet::new());
        let report_type = parameters.into_iter().find(|(name, _)| name == "report-type");
        self.mail.marks = Marks {
            return_path,
            auto_submitted: self.first(message, "Auto-Submitted").to_ascii_lowercase(),
            precedence: self.first(message, "Precedence").to_ascii_lowercase(),
            suppress: self.first(message, "X-Auto-Response-Suppress"),
            is_list: lists.iter().any(|name| !raw(message, message.root_part(), name).is_empty()),
            loops: [self.all(message, "X-Loop"), self.all(message, "X-Madoguchi")].concat(),
            content_type: media_type(content_type),
            report_type: report_type.map_or(String::new(), |p| p.1.to_ascii_lowercase()),
            delivery_status: String::new(),
            failed_recipients: self.first(message, "X-Failed-Recipients"),
        };
    }

    /// Addresses by the parser, names by our own reading: the parser's are wrong where the set of characters is.
    fn mailboxes(&mut self, message: &Message<'_>, name: &str, parsed: Option<&Address<'_>>) -> Vec<Mailbox> {
        let Some(parsed) = parsed else { return vec![] };
        let addresses: Vec<_> = parsed.iter().filter_map(|one| one.address()).take(ADDRESSES_MAX).collect();
        let written = self.first(message, name);
        let mut rest = &*written;
        let mut found = vec![];
        for address in addresses {
            let name = match rest.split_once(address) {
                Some((before, after)) => {
                    rest = after;
                    before.trim_matches(|c: char| {
                        c.is_whitespace() || matches!(c, '<' | '>' | ',' | '"' | ';' | '(' | ')' | ':')
                    })
                }
                None => "",
            };
            found.push(Mailbox { name: name.to_owned(), address: address.to_owned() });
        }
        found
    }

    fn parts(&mut self, message: &Message<'_>, depth: usize) {
        let has_text = |id: &u32| message.parts.get(*id as usize).is_some_and(|p| matches!(p.body, PartType::Text(_)));
        let html_only = !message.text_body.iter().any(has_text);
        for (id, part) in message.parts.iter().enumerate() {
            let id = u32::try_from(id).unwrap_or(u32::MAX);
            let is_body = message.text_body.contains(&id);
            match &part.body {
                PartType::Multipart(_) => {}
                _ if is_report(message, part) => self.file(message, part, &decoded(message, part), depth),
                PartType::Message(inner) => self.inner(message, part, inner, depth),
                PartType::Text(_) if is_body => self.body(message, part, false),
                PartType::Html(_) if is_body && html_only => {
                    self.mail.doubts.insert(Doubt::HtmlOnly);
                    self.body(message, part, true);
                }
                // The same as the text beside it, in another dress.
                PartType::Html(_) if message.html_body.contains(&id) => {}
                // A multipart without a part: what there is, is its text.
                PartType::Text(_) if id == 0 => self.body(message, part, false),
                PartType::Text(_) | PartType::Html(_) => self.file(message, part, &decoded(message, part), depth),
                PartType::Binary(bytes) | PartType::InlineBinary(bytes) => self.file(message, part, bytes, depth),
            }
        }
    }

    fn body(&mut self, message: &Message<'_>, part: &MessagePart<'_>, is_html: bool) {
        let bytes = decoded(message, part);
        let label = parameter(message, part, "Content-Type", "charset");
        if part.is_encoding_problem {
            self.mail.doubts.insert(Doubt::Encoding);
        }
        let text = charset::decode(&bytes, &label, &mut self.mail.doubts);
        let text = if is_html { html_to_text(&text) } else { text };
        self.say(&text.replace("\r\n", "\n").replace('\r', "\n"));
    }

    fn say(&mut self, text: &str) {
        let room = TEXT_MAX.saturating_sub(self.texts.chars().count());
        if text.chars().count() > room {
            self.mail.doubts.insert(Doubt::Cut);
        }
        if !self.texts.is_empty() && !self.texts.ends_with('\n') {
            self.texts.push('\n');
        }
        self.texts.extend(text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).take(room));
    }

    /// An inner mail: its head and text for the eye, its files as ours, and itself as a file.
    fn inner(&mut self, message: &Message<'_>, part: &MessagePart<'_>, inner: &Message<'_>, depth: usize) {
        let bytes = message.raw_message.get(place(part)).unwrap_or_default();
        let bytes = if part.encoding == Encoding::None { bytes } else { &inner.raw_message };
        self.file(message, part, bytes, depth);
        self.say(INNER);
        for name in ["From", "Date", "Subject"] {
            let text = self.first(inner, name);
            if !text.is_empty() {
                self.say(&format!("{name}: {text}"));
            }
        }
        self.say("\n");
        self.parts(inner, depth + 1);
    }

    fn file(&mut self, message: &Message<'_>, part: &MessagePart<'_>, bytes: &[u8], depth: usize) {
        let declared = media_type(raw(message, part, "Content-Type").first().copied().unwrap_or_default());
        // Of this mail, not of one that somebody passes on.
        if depth == 0 && is_report(message, part) {
            self.mail
                .marks
                .delivery_status
                .push_str(&String::from_utf8_lossy(bytes).chars().take(20_000).collect::<String>());
        }
        if part.is_encoding_problem {
            self.mail.doubts.insert(Doubt::Encoding);
        }
        if self.mail.attachments.len() >= ATTACHMENTS_MAX || bytes.len() > ATTACHMENT_MAX {
            self.mail.doubts.insert(Doubt::Cut);
            return;
        }
        let mut name = parameter(message, part, "Content-Disposition", "filename");
        if name.is_empty() {
            name = parameter(message, part, "Content-Type", "name");
        }
        let place = (depth == 0).then(|| place(part));
        self.mail.attachments.push(Attachment::new(&name, &declared, bytes, depth, place));
    }
}

/// RFC 3464: for programs, whatever a mail reader makes of it.
fn is_report(message: &Message<'_>, part: &MessagePart<'_>) -> bool {
    let declared = media_type(raw(message, part, "Content-Type").first().copied().unwrap_or_default());
    matches!(&*declared, "message/delivery-status" | "message/global-delivery-status")
}

fn place(part: &MessagePart<'_>) -> Range<usize> {
    let start = part.offset_body as usize;
    start..(part.offset_end as usize).max(start)
}

/// The bytes of a text part without its transfer encoding.
fn decoded(message: &Message<'_>, part: &MessagePart<'_>) -> Vec<u8> {
    let bytes = message.raw_message.get(place(part)).unwrap_or_default();
    match part.encoding {
        Encoding::None => bytes.to_vec(),
        Encoding::QuotedPrintable => quoted_printable_decode(bytes).unwrap_or_else(|| bytes.to_vec()),
        Encoding::Base64 => header::decode_base64(bytes, &mut BTreeSet::new()),
    }
}

fn parameter(message: &Message<'_>, part: &MessagePart<'_>, header: &str, name: &str) -> String {
    let Some(raw) = raw(message, part, header).first().copied() else { return String::new() };
    let found = header::parameters(raw, &mut BTreeSet::new());
    found.into_iter().find(|(known, _)| known == name).map_or(String::new(), |(_, value)| value)
}

fn media_type(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    text.split(';').next().unwrap_or_default().trim().chars().take(100).collect::<String>().to_ascii_lowercase()
}

fn ids(value: Option<&HeaderValue<'_>>) -> Vec<String> {
    let clean = |id: &str| id.trim_matches(['<', '>', ' ']).chars().take(500).collect::<String>();
    match value {
        Some(HeaderValue::Text(id)) => vec![clean(id)],
        Some(HeaderValue::TextList(ids)) => ids.iter().take(50).map(|id| clean(id)).collect(),
        _ => vec![],
    }
}
