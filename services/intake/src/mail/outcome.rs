//! What a mail is filed as. Pure.

use contracts::{Code, MailState};
use mail::{Mail, kind::Arrival};

/// A mail with the same Message-ID that came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// It says the same: brought again, by another folder or server.
    Same,
    /// It says something else: one of the two is not what it seems.
    Other,
}

/// How a mail is filed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filed {
    /// Where staff find it.
    pub state: MailState,
    /// Why there.
    pub reason: Option<Code>,
}

/// Whether two mails with one Message-ID say the same: text, subject, sender, and the files by their hashes. What servers on the
/// way add is no difference.
pub fn compare(mail: &Mail, before: &Mail) -> Before {
    let files = |mail: &Mail| mail.attachments.iter().map(|file| file.sha256.clone()).collect::<Vec<_>>();
    let same = mail.text == before.text
        && mail.subject == before.subject
        && mail.from == before.from
        && files(mail) == files(before);
    if same { Before::Same } else { Before::Other }
}

/// Files a mail that was read.
pub fn file(arrival: &Arrival, before: Option<Before>, belongs_to_a_case: bool) -> Filed {
    let filed = |state, reason| Filed { state, reason };
    match (before, arrival) {
        (Some(Before::Same), _) => filed(MailState::Repeated, None),
        (Some(Before::Other), _) => filed(MailState::Quarantine, Some(Code::of("message-id-reused"))),
        (None, Arrival::Bounce { .. }) => filed(MailState::Bounce, None),
        (None, Arrival::Automatic { reason }) => filed(MailState::Automatic, Some(Code::of(reason.code()))),
        (None, Arrival::Feedback) => filed(MailState::Feedback, None),
        (None, Arrival::Loop) => filed(MailState::Loop, None),
        (None, Arrival::Letter { silence }) => {
            let state = if belongs_to_a_case { MailState::Threaded } else { MailState::Triage };
            filed(state, silence.map(|silence| Code::of(silence.code())))
        }
    }
}

/// Whether the sender is told that it arrived: only of what a person wrote and nobody has said to keep silent about (RFC 3834).
pub fn is_acknowledged(arrival: &Arrival, filed: &Filed) -> bool {
    matches!(arrival, Arrival::Letter { silence: None })
        && matches!(filed.state, MailState::Triage | MailState::Threaded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail::kind::Silence;

    const LETTER: Arrival = Arrival::Letter { silence: None };

    #[test]
    fn everything_is_filed_somewhere_and_says_why() {
        let automatic = Arrival::Automatic { reason: Silence::NullSender };
        let bounce = Arrival::Bounce { bounces: vec![] };
        let list = Arrival::Letter { silence: Some(Silence::List) };
        let cases = [
            (&LETTER, None, false, MailState::Triage, None),
            (&LETTER, None, true, MailState::Threaded, None),
            (&list, None, false, MailState::Triage, Some("list")),
            (&automatic, None, true, MailState::Automatic, Some("null-sender")),
            (&bounce, None, true, MailState::Bounce, None),
            (&Arrival::Feedback, None, false, MailState::Feedback, None),
            (&Arrival::Loop, None, false, MailState::Loop, None),
            (&LETTER, Some(Before::Same), true, MailState::Repeated, None),
            (&LETTER, Some(Before::Other), true, MailState::Quarantine, Some("message-id-reused")),
            (&bounce, Some(Before::Same), false, MailState::Repeated, None),
        ];
        for (arrival, before, case, state, reason) in cases {
            let filed = file(arrival, before, case);
            assert_eq!(filed, Filed { state, reason: reason.map(Code::of) });
            let told = matches!(state, MailState::Triage | MailState::Threaded) && reason.is_none();
            assert_eq!(is_acknowledged(arrival, &filed), told, "{filed:?}");
        }
    }

    #[test]
    fn what_servers_add_is_no_difference_and_everything_else_is() {
        let read = |text: &str| mail::read(text.as_bytes()).unwrap();
        let first = read("From: a@example.jp\nSubject: s\nMessage-ID: <1@x>\n\ntext\n");
        let again =
            read("Received: by another\nX-Folder: 2\nFrom: a@example.jp\nSubject: s\nMessage-ID: <1@x>\n\ntext\n");
        assert_eq!(compare(&again, &first), Before::Same);
        for other in [
            "From: b@example.jp\nSubject: s\n\ntext\n",
            "From: a@example.jp\nSubject: t\n\ntext\n",
            "From: a@example.jp\nSubject: s\n\ntext!\n",
        ] {
            assert_eq!(compare(&read(other), &first), Before::Other, "{other}");
        }
    }
}
