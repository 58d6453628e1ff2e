//! The loop that reads mails: open the sealed file, read it in a process apart, take it into parts, file it. Every step can be
//! repeated: a crash anywhere costs a delay, and files that nobody names, which are swept.

use super::{
    Known,
    outcome::{self, Before},
    parts::Parts,
    store::{self, Due, Taken, Took},
};
use crate::{config::MailSettings, person::Persons};
use chassis::{Bus, HandleError, objects::Objects, telemetry};
use contracts::{
    CaseId, Code, MailState, NoticeId, ObjectId, Service, Uuid,
    alert::AlertReply,
    correspondence::{AcknowledgeMail, WhoseNotice},
};
use futures::{StreamExt, stream};
use jiff::SignedDuration;
use mail::{
    Mail,
    apart::{Crash, Reader as Apart},
    kind::{Ours, classify},
};
use privacy::{BlindIndex, Personal, Purpose, seal_to};
use sha2::{Digest, Sha256};
use std::{sync::Arc, time::Duration};

/// Mails claimed at once.
const CLAIM: i64 = 16;
/// Files looked at in one sweep.
const SWEEP: usize = 1_000;
/// Between two sweeps.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
/// How old a sealed file is that no mail and no filing can name any more.
const ORPHAN_AFTER: SignedDuration = SignedDuration::from_hours(48);

/// Reads mails.
#[derive(Clone)]
pub struct Mails {
    bus: Arc<Bus>,
    persons: Persons,
    inbound: Objects,
    apart: Arc<Apart>,
    ours: Ours,
}

impl Mails {
    /// Puts the parts together.
    ///
    /// # Errors
    /// The program's own path cannot be found.
    pub fn new(
        bus: Arc<Bus>,
        persons: Persons,
        inbound: Objects,
        settings: &MailSettings,
        from: &str,
    ) -> std::io::Result<Self> {
        let apart = Arc::new(settings.reader()?);
        Ok(Self { bus, persons, inbound, apart, ours: settings.ours(from) })
    }

    /// The parts of mails.
    pub const fn parts(&self) -> &Parts {
        self.persons.parts()
    }

    /// Reads until the process stops.
    pub async fn run(self, poll: Duration) {
        let stop = self.bus.stopping();
        while !stop.is_asked() {
            match self.read_due().await {
                Ok(n) if n > 0 => continue,
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "mails cannot be read now; they are tried again"),
            }
            if let Err(error) = self.acknowledge_due().await {
                tracing::warn!(%error, "senders cannot be told now; it is tried again");
            }
            if stop.pause(poll).await {
                return;
            }
        }
    }

    /// Reads what is due; how many mails that was.
    ///
    /// # Errors
    /// The database. What goes wrong with one mail does not keep the others waiting.
    pub async fn read_due(&self) -> Result<usize, HandleError> {
        let due = store::claim(self.bus.db(), CLAIM).await?;
        let n = due.len();
        stream::iter(due)
            .for_each_concurrent(4, |mail| async move {
                let id = mail.id;
                if let Err(error) = self.read(mail).await {
                    telemetry::count("madoguchi.mails", "tried-again");
                    tracing::warn!(mail = %id, %error, "a mail could not be taken in now; it is tried again");
                }
            })
            .await;
        Ok(n)
    }

    /// 受信のお知らせ: tells senders that their mails arrived.
    async fn acknowledge_due(&self) -> Result<(), HandleError> {
        for due in store::claim_acknowledgements(self.bus.db(), self.bus.clock().now(), CLAIM).await? {
            let known = self.parts().open(due.id, &due.sealed).await?;
            let sender = known.as_ref().and_then(|known| {
                let mail = known.disclose(Purpose::NotifyPerson).mail.as_ref()?;
                Some(Personal::new(mail.from.first()?.address.clone()))
            });
            let id = NoticeId::derived(due.id, "acknowledgement");
            let reply = match sender {
                None => None,
                Some(sender) => {
                    let key = self.persons.key_of(Service::Notification)?;
                    let plain = sender.disclose(Purpose::SealForOwner).as_bytes();
                    let to = seal_to(&key, id.0.as_bytes(), plain).map_err(crate::person::unavailable)?;
                    // No answer: it is tried again in a minute.
                    let Ok(reply) = self.bus.ask(&AcknowledgeMail { id, to, at: due.received_at.to_jiff() }).await
                    else {
                        continue;
                    };
                    Some(reply)
                }
            };
            match reply {
                Some(AlertReply::NotNow { .. }) => {}
                Some(AlertReply::Sent | AlertReply::Never { .. }) | None => {
                    store::acknowledged(self.bus.db(), due.id).await?;
                }
            }
        }
        Ok(())
    }

    async fn read(&self, due: Due) -> Result<(), HandleError> {
        // Its key was destroyed: nothing is left to read.
        let Some(known) = self.parts().open(due.id, &due.sealed).await? else { return Ok(()) };
        let inbound = ObjectId(due.inbound);
        let (taken, word) = match self.open(inbound, &due.digest).await? {
            Err(why) => (self.unreadable(&due, known, None, why).await?, "quarantine"),
            Ok(raw) => {
                let bytes = raw.disclose(Purpose::SealForOwner);
                match self.apart.read(bytes).await {
                    Ok(mail) => self.filed(&due, known, bytes, mail).await?,
                    Err(Crash::NotStarted) => {
                        return Err(HandleError::Unavailable("the process that reads mails".into()));
                    }
                    Err(crash) => {
                        let why = crash.code().parse().unwrap_or(Code::of("unreadable"));
                        (self.unreadable(&due, known, Some(bytes), why).await?, "quarantine")
                    }
                }
            }
        };
        let reason = taken.reason.clone();
        let took = store::taken(self.bus.db(), taken).await?;
        if took == Took::Again {
            return Ok(());
        }
        if took == Took::Yes {
            telemetry::count("madoguchi.mails", word);
            if word == "quarantine" {
                tracing::warn!(mail = %due.id, reason = reason.as_ref().map(Code::as_str), "a mail waits for a person in quarantine");
            }
        }
        if let Err(error) = self.inbound.remove(inbound).await {
            tracing::warn!(object = %inbound, %error, "a sealed file that nobody needs stays until it is swept");
        }
        Ok(())
    }

    /// The bytes as they came. The inner error is for a person: the file is gone, or is not what the door wrote.
    async fn open(&self, object: ObjectId, digest: &[u8]) -> Result<Result<Personal<Vec<u8>>, Code>, HandleError> {
        let sealed = match self.inbound.get(object).await {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Err(Code::of("file-missing"))),
            Err(error) => return Err(HandleError::Unavailable(error.to_string())),
        };
        let Ok(raw) = privacy::open_file(self.persons.key(), object.0, &sealed) else {
            return Ok(Err(Code::of("file-does-not-open")));
        };
        let same = Sha256::digest(raw.disclose(Purpose::SealForOwner)).as_slice() == digest;
        Ok(if same { Ok(raw) } else { Err(Code::of("file-changed")) })
    }

    async fn unreadable(
        &self,
        due: &Due,
        known: Personal<Known>,
        raw: Option<&[u8]>,
        why: Code,
    ) -> Result<Taken, HandleError> {
        let skeleton = self.parts().keep_whole(due.id, raw.unwrap_or_default()).await?;
        let sealed = self.parts().seal(due.id, known.disclose(Purpose::SealForOwner)).await?;
        let at = self.bus.clock().now();
        let (state, reason) = (MailState::Quarantine, Some(why));
        Ok(Taken {
            id: due.id,
            state,
            reason,
            skeleton,
            sealed,
            message_tag: None,
            sender_tag: None,
            same_as: None,
            case: None,
            parts: vec![],
            acknowledge: false,
            at,
        })
    }

    async fn filed(
        &self,
        due: &Due,
        known: Personal<Known>,
        raw: &[u8],
        mut mail: Mail,
    ) -> Result<(Taken, &'static str), HandleError> {
        let arrival = classify(&mail, &self.ours);
        let index: &BlindIndex = self.persons.index();
        let message_tag = index.message_id(&Personal::new(mail.message_id.clone()));
        let sender = mail.from.first().map(|from| from.address.clone()).unwrap_or_default();
        let sender_tag = index.mail_address(&Personal::new(sender));
        let before = match message_tag {
            Some(tag) => self.before(due.id, tag, &mail).await?,
            None => None,
        };
        let case = self.case_of(&mail).await;
        let filed = outcome::file(&arrival, before.map(|(_, before)| before), case.is_some());
        let acknowledge = outcome::is_acknowledged(&arrival, &filed);
        let (skeleton, parts) = self.parts().keep(due.id, raw, &mail).await?;
        // The files have keys of their own.
        mail.attachments.iter_mut().for_each(|file| file.bytes = vec![]);
        let envelope = known.disclose(Purpose::SealForOwner).envelope.clone();
        let known = Known { envelope, mail: Some(mail), arrival: Some(arrival) };
        let sealed = self.parts().seal(due.id, &known).await?;
        let word = filed.state.as_str();
        let taken = Taken {
            id: due.id,
            state: filed.state,
            reason: filed.reason,
            skeleton,
            sealed,
            message_tag,
            sender_tag,
            same_as: before.map(|(first, _)| first),
            case,
            parts,
            acknowledge,
            at: self.bus.clock().now(),
        };
        Ok((taken, word))
    }

    async fn before(
        &self,
        id: Uuid,
        tag: privacy::BlindTag,
        mail: &Mail,
    ) -> Result<Option<(Uuid, Before)>, HandleError> {
        let Some((first, sealed)) = store::first_with(self.bus.db(), tag, id).await? else { return Ok(None) };
        let opened = match sealed {
            Some(sealed) => self.parts().open(first, &sealed).await?,
            None => None,
        };
        let same = opened.as_ref().and_then(|known| known.disclose(Purpose::SealForOwner).mail.as_ref());
        // What was destroyed cannot be compared: a person looks.
        Ok(Some((first, same.map_or(Before::Other, |before| outcome::compare(mail, before)))))
    }

    /// The case that one of our own mails was about, if this mail refers to one. Nobody to ask is no case: a person threads it.
    async fn case_of(&self, mail: &Mail) -> Option<CaseId> {
        let ids = mail.in_reply_to.iter().chain(&mail.references).filter_map(|id| {
            let (local, domain) = id.rsplit_once('@')?;
            if self.ours.domain.is_empty() || !domain.eq_ignore_ascii_case(&self.ours.domain) {
                return None;
            }
            local.parse::<NoticeId>().ok()
        });
        let notices: Vec<NoticeId> = ids.take(50).collect();
        if notices.is_empty() {
            return None;
        }
        self.bus.ask(&WhoseNotice { notices }).await.ok().and_then(|owner| owner.case)
    }

    /// Removes sealed files that no mail names: of a door that died between the file and the filing. While a filing waits longer
    /// than a moment nothing is swept: it may name one.
    pub async fn sweep(self) {
        let stop = self.bus.stopping();
        while !stop.pause(SWEEP_EVERY).await {
            if let Err(error) = self.sweep_once().await {
                tracing::warn!(%error, "old sealed files could not be looked for");
            }
        }
    }

    /// One sweep; how many files were removed.
    ///
    /// # Errors
    /// The database or the disk.
    pub async fn sweep_once(&self) -> Result<usize, HandleError> {
        let before = self.bus.clock().now() - ORPHAN_AFTER;
        if crate::tray::waits_since_before(self.bus.db(), self.bus.clock().now() - SignedDuration::from_mins(10))
            .await?
        {
            return Ok(0);
        }
        let old = self.inbound.made_before(before, SWEEP).await.map_err(crate::person::unavailable)?;
        let known = store::known_inbound(self.bus.db(), old.iter().map(|o| o.0).collect()).await?;
        let mut removed = 0;
        for object in old.into_iter().filter(|object| !known.contains(&object.0)) {
            self.inbound.remove(object).await.map_err(crate::person::unavailable)?;
            self.inbound.remove_unfinished(object).await.map_err(crate::person::unavailable)?;
            removed += 1;
        }
        telemetry::add("madoguchi.mails.swept", removed as u64, "inbound");
        Ok(removed)
    }
}
