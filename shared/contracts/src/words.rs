//! The closed lists of the trade, each with its statutory term. One name per concept: see the glossary.

use crate::Code;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $code)] $variant,)* }
        impl $name {
            /// Every value, in the order of the law or the counter.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];
            /// The word as it stands in messages, tables and URLs.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }
            /// The same as a [`Code`].
            pub const fn code(self) -> Code {
                match self { $(Self::$variant => Code::of($code),)* }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl std::str::FromStr for $name {
            type Err = UnknownWord;
            fn from_str(s: &str) -> Result<Self, UnknownWord> {
                match s { $($code => Ok(Self::$variant),)* _ => Err(UnknownWord { list: stringify!($name), known: &[$($code,)*] }) }
            }
        }
    )*};
}

/// A word that is not on the closed list.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a {list}: use one of {}", known.join(", "))]
pub struct UnknownWord {
    /// The list.
    pub list: &'static str,
    /// What may stand there.
    pub known: &'static [&'static str],
}

words! {
    /// 請求の種類: what the person asks for.
    Kind {
        /// 開示 (APPI art. 33).
        Disclosure = "disclosure",
        /// 第三者提供記録の開示 (APPI art. 33(5)).
        ThirdPartyRecords = "third-party-records",
        /// 訂正等 (APPI art. 34).
        Correction = "correction",
        /// 利用停止等 (APPI art. 35).
        Suspension = "suspension",
        /// 利用目的の通知 (APPI art. 32(2)).
        PurposeNotice = "purpose-notice",
        /// 提供停止 (Next-Generation Medical Infrastructure Act art. 52, 57).
        ProvisionStop = "provision-stop",
        /// 削除 (the operator's promise; Act art. 20).
        Deletion = "deletion",
        /// 苦情 (Act art. 29, APPI art. 40).
        Complaint = "complaint",
        /// 相談 (Rules art. 5(viii)).
        Consultation = "consultation",
    }

    /// 根拠法: the law that the request stands on.
    Track {
        /// 個人情報保護法.
        Appi = "appi",
        /// 次世代医療基盤法.
        Act = "act",
        /// The counter's own handling of complaints and consultations.
        Desk = "desk",
    }

    /// 資格: in what role a party acts.
    Capacity {
        /// 本人.
        Person = "person",
        /// 親権者.
        Parent = "parent",
        /// 未成年後見人.
        MinorsGuardian = "minors-guardian",
        /// 成年後見人.
        AdultsGuardian = "adults-guardian",
        /// 保佐人.
        Curator = "curator",
        /// 補助人.
        Assistant = "assistant",
        /// 任意後見人.
        VoluntaryGuardian = "voluntary-guardian",
        /// 任意代理人, a lawyer included.
        Agent = "agent",
        /// 遺族 (Order art. 11: six relations; Act track only).
        Bereaved = "bereaved",
    }

    /// 申出の経路: the door a filing came through.
    Channel {
        /// ウェブ.
        Web = "web",
        /// Another system's API.
        Api = "api",
        /// 電子メール.
        Mail = "mail",
        /// 郵送.
        Post = "post",
        /// 電話.
        Telephone = "telephone",
        /// 窓口.
        Counter = "counter",
    }

    /// 郵便物の種類: how an envelope came.
    PostalClass {
        /// 普通郵便.
        Ordinary = "ordinary",
        /// 特定記録.
        Recorded = "recorded",
        /// 簡易書留.
        SimplyRegistered = "simply-registered",
        /// 一般書留.
        Registered = "registered",
        /// 現金書留.
        CashRegistered = "cash-registered",
        /// 内容証明.
        ContentCertified = "content-certified",
        /// レターパック.
        LetterPack = "letter-pack",
        /// 信書便, 宅配便.
        Courier = "courier",
    }

    /// 受付簿の状態.
    ArrivalState {
        /// 未処理.
        Open = "open",
        /// 処理済み.
        Settled = "settled",
    }

    /// 受付簿の処理: what became of an arrival.
    ArrivalOutcome {
        /// It belongs to a case.
        Case = "case",
        /// A request was filed from it.
        Request = "request",
        /// 相談に回答: the question was answered at once.
        Answered = "answered",
        /// 返送: it was sent back.
        Returned = "returned",
        /// No request is in it.
        NoRequest = "no-request",
    }

    /// The language that the person wants to be told in.
    Language {
        /// 日本語.
        Ja = "ja",
        /// English.
        En = "en",
    }

    /// 停止の範囲: which track of provision is stopped (Act art. 58: two notices, two stops).
    Scope {
        /// 匿名加工医療情報 (Act art. 52).
        Anonymised = "anonymised",
        /// 仮名加工医療情報 (Act art. 57).
        Pseudonymised = "pseudonymised",
        /// Both.
        Both = "both",
    }

    /// 措置: what a recipient is instructed to do.
    Measure {
        /// 提供・利用の停止.
        Stop = "stop",
        /// 消去.
        Erase = "erase",
        /// 訂正: the identifiers were corrected; what stands, stands for the corrected person.
        Correct = "correct",
        /// 利用の一時停止: freeze of current builds; reversible, while something is being found out. The stop stands.
        Suspend = "suspend",
        /// 一時停止の解除. Never lifts a stop.
        Resume = "resume",
    }

    /// 本人の示し方: how a contract has an instruction name the person.
    #[derive(Default)]
    IdentifiersAs {
        /// Sealed to the recipient's X25519 key (HPKE, RFC 9180).
        #[default]
        Sealed = "sealed",
        /// 鍵付きハッシュ: keyed hashes by the gate's rules under the recipient's gate key; nothing that could be opened.
        KeyedHashes = "keyed-hashes",
    }

    /// 漏えい等の項目 (Rules art. 23(1)): what a notice of an incident says. Contractors state nine, users of pseudonymised data eight:
    /// not how persons are dealt with, and the scale instead of the number of persons (Rules art. 44).
    IncidentItem {
        /// 概要.
        Summary = "summary",
        /// 情報の項目.
        Items = "items",
        /// 本人の数.
        Persons = "persons",
        /// 規模: users instead of the number.
        Scale = "scale",
        /// 原因.
        Cause = "cause",
        /// 二次被害又はそのおそれ.
        SecondaryDamage = "secondary-damage",
        /// 本人への対応: not users.
        DealingWithPersons = "dealing-with-persons",
        /// 公表.
        Publication = "publication",
        /// 再発防止.
        Prevention = "prevention",
        /// その他参考となる事項.
        Other = "other",
    }

    /// What a mail to a recipient's contact or to the officer is about.
    AlertKind {
        /// 予告: four fifths of the time are over.
        Reminder = "reminder",
        /// 督促: the time is over.
        Escalation = "escalation",
        /// 試験: shows that mails arrive at this contact, before one is needed.
        Test = "test",
    }

    /// 表現: how a contract has the data of an instruction written.
    #[derive(Default)]
    Representation {
        /// The desk's own JSON.
        #[default]
        CloudEvents = "cloudevents",
        /// A FHIR R4 `Consent` that denies, in the same CloudEvents envelope.
        FhirConsent = "fhir-consent",
    }

    /// 署名の形式: what a contract has webhooks signed with.
    #[derive(Default)]
    SignaturesAs {
        /// HMAC-SHA-256 (`v1`) and Ed25519 (`v1a`).
        #[default]
        Both = "both",
        /// HMAC-SHA-256 (`v1`) alone; it proves the sender to nobody else.
        Hmac = "hmac",
    }

    /// 期限の文言: how the statute says until when, as contracts repeat it; what it is in days is configuration.
    Diligence {
        /// 直ちに: at once.
        Immediately = "immediately",
        /// 速やかに: as soon as possible.
        Promptly = "promptly",
        /// 遅滞なく: without delay (Act art. 20, Rules art. 12(3)).
        WithoutDelay = "without-delay",
    }

    /// 委託契約の七項目 (Rules art. 20(1)(i) to (vii)): what every contract with a contractor has to say.
    ContractItem {
        /// 委託する業務の範囲.
        Scope = "scope",
        /// 業務の手順に関する事項.
        Procedure = "procedure",
        /// 実施状況を確認することができる旨.
        RightToCheck = "right-to-check",
        /// 指示を行うことができる旨.
        Instructions = "instructions",
        /// 指示に基づく措置が講じられたことを確認することができる旨.
        RightToCheckMeasures = "right-to-check-measures",
        /// 報告に関する事項.
        Reports = "reports",
        /// その他必要な事項.
        Other = "other",
    }

    /// 通知先の種類: who must be told of a stop.
    RecipientKind {
        /// The operator's own core zone.
        CoreZone = "core-zone",
        /// 認定医療情報等取扱受託事業者 (Act art. 45, 46).
        Contractor = "contractor",
        /// 再委託先 (Act art. 24(2)).
        SubContractor = "sub-contractor",
        /// 医療情報取扱事業者 (Act art. 2(5)).
        Hospital = "hospital",
        /// Another certified operator (Act art. 27, 38).
        CertifiedOperator = "certified-operator",
        /// 認定仮名加工医療情報利用事業者 (Act art. 41).
        User = "user",
    }

    /// How an instruction travels to its recipient.
    Transport {
        /// A durable in the recipient's own NATS account.
        Nats = "nats",
        /// A signed POST (Standard Webhooks 1.0.0).
        Webhook = "webhook",
        /// The recipient asks for it (HTTPS, gapless positions).
        Pull = "pull",
        /// 封緘ファイル: carried by hand, for networks without a way out (the core zone, Rules art. 6(iv)).
        SealedFile = "sealed-file",
        /// 書面 with a return form.
        Letter = "letter",
        /// 再委託元経由: to the contractor above, which hands it on and carries the signed reports back. Sub-contractors only.
        ThroughParent = "through-parent",
    }

    /// 措置の結果: what a recipient's signed report says.
    ReportOutcome {
        /// 措置済み.
        Applied = "applied",
        /// 該当データなし.
        NoDataHeld = "no-data-held",
        /// 一部措置: the rest follows in another report.
        PartlyApplied = "partly-applied",
        /// 適用除外, with its ground.
        Exempt = "exempt",
        /// 特定不能.
        CannotIdentify = "cannot-identify",
        /// 作成済み・到達不能: already made into something that may not be searched (Act art. 19(2)), with its ground.
        Unreachable = "unreachable",
    }

    /// 決定: how a request is answered.
    DecisionOutcome {
        /// 全部.
        Full = "full",
        /// 一部.
        Partial = "partial",
        /// 拒否・不実施.
        Refused = "refused",
        /// 不存在 (APPI art. 33(3)).
        DoesNotExist = "does-not-exist",
        /// 他の窓口への案内.
        Redirected = "redirected",
    }

    /// How a case ended.
    EndedAs {
        /// 決定による終了.
        Decided = "decided",
        /// 停止完了: every recipient's report is in.
        Stopped = "stopped",
        /// 取下げ.
        Withdrawn = "withdrawn",
        /// 失効: time ran out; reversible while the case is kept.
        Lapsed = "lapsed",
        /// 本人確認不能: the identity was rejected.
        NotConfirmed = "not-confirmed",
    }

    /// 手続の段階: what a case waits for.
    Step {
        /// 受付: received; nothing asked yet.
        Received = "received",
        /// 本人確認中.
        Verifying = "verifying",
        /// 補正待ち: the papers are deficient; the service clock pauses.
        Completing = "completing",
        /// 入金待ち: the fee is asked for; the service clock pauses.
        AwaitingFee = "awaiting-fee",
        /// 検索・決定中.
        Answering = "answering",
        /// 停止の通知・報告待ち: recipients are instructed, reports come in.
        Propagating = "propagating",
        /// 終了.
        Ended = "ended",
    }

    /// 来信の状態: where a mail stands.
    MailState {
        /// 未読: it arrived and is not read yet.
        Arrived = "arrived",
        /// 振分け待ち: a letter of which nobody knows yet what it is.
        Triage = "triage",
        /// 案件への来信: it answers a mail of ours about a case.
        Threaded = "threaded",
        /// 隔離: it could not be read, or is not what it seems.
        Quarantine = "quarantine",
        /// 不達通知.
        Bounce = "bounce",
        /// 自動応答.
        Automatic = "automatic",
        /// A report about mails, not a letter.
        Feedback = "feedback",
        /// Our own mail came back.
        Loop = "loop",
        /// 重複: the same mail came before.
        Repeated = "repeated",
        /// 処理済み.
        Settled = "settled",
    }

    /// 来信の処理: what a person made of a mail.
    MailOutcome {
        /// It belongs to a case.
        Case = "case",
        /// A request was filed from it.
        Request = "request",
        /// No request is in it.
        NoRequest = "no-request",
        /// Advertising and the like.
        Spam = "spam",
    }

    /// How a notice went out.
    NoticeChannel {
        /// 電子メール.
        Mail = "mail",
        /// No address is known or wanted: it is on the status page only.
        StatusPage = "status-page",
    }

    /// Why another service may see a personal value: the closed list that intake checks and writes down.
    DisclosePurpose {
        /// Comparing a paper with the statement (本人確認).
        VerifyIdentity = "verify-identity",
        /// Telling the person something.
        Notify = "notify",
        /// Making the register entry that blocks.
        EnterRegister = "enter-register",
        /// Preparing the search ticket and the answer.
        PrepareAnswer = "prepare-answer",
        /// A member of staff looks at the case page.
        ShowToStaff = "show-to-staff",
    }

    /// 資格の事情: what the party said about the capacity, and what the door noticed for the staff. It goes with the person's
    /// part, sealed, and never stands in a message.
    Standing {
        /// 配偶者: the seven words of the Order's six relations (Order art. 11) come first.
        Spouse = "spouse",
        /// 事実上婚姻関係と同様の事情にあった者: counts as a spouse (Order art. 11).
        CommonLawSpouse = "common-law-spouse",
        /// 子.
        Child = "child",
        /// 父母.
        ParentOf = "parent",
        /// 孫.
        Grandchild = "grandchild",
        /// 祖父母.
        Grandparent = "grandparent",
        /// 兄弟姉妹.
        Sibling = "sibling",
        /// A bereaved relative who did not say which.
        RelationNotSaid = "relation-not-said",
        /// 単独親権: nobody else has parental authority (Civil Code art. 824-2(1)(i)).
        SoleAuthority = "sole-authority",
        /// The other parent agrees (Civil Code art. 824-2(1)).
        OtherParentAgrees = "other-parent-agrees",
        /// The other parent does not.
        OtherParentDisagrees = "other-parent-disagrees",
        /// The other parent cannot be asked (art. 824-2(1)(ii), (iii): inability, urgency).
        OtherParentUnreachable = "other-parent-unreachable",
        /// A parent who said nothing of another one.
        OtherParentNotSaid = "other-parent-not-said",
        /// 弁護士.
        Lawyer = "lawyer",
        /// A mandated agent who is no lawyer.
        OtherAgent = "other-agent",
        /// The mandate includes receiving the result (受領の権限).
        ReceiptIncluded = "receipt-included",
        /// It does not: the answer goes to the person.
        ReceiptNotIncluded = "receipt-not-included",
        /// Noticed: the person asks alone and is younger than the age of the day at which that is usual.
        MinorAlone = "minor-alone",
        /// Noticed: a parent or guardian asks about somebody old enough to be heard.
        ChildToBeHeard = "child-to-be-heard",
        /// The person would like やさしい日本語.
        EasyJapanese = "easy-japanese",
    }

    /// Which personal values are asked for.
    PersonField {
        /// 氏名.
        Name = "name",
        /// 氏名の振り仮名.
        Kana = "kana",
        /// 生年月日.
        BirthDate = "birth-date",
        /// 性別.
        Sex = "sex",
        /// 住所.
        Address = "address",
        /// 電子メールアドレス.
        Mail = "mail",
        /// 電話番号.
        Telephone = "telephone",
        /// The request in the person's own words.
        Words = "words",
        /// The hospitals that the person named.
        Hospitals = "hospitals",
        /// Who acts for the person, where somebody does.
        Representative = "representative",
        /// 資格の事情: words of [`Standing`].
        Standing = "standing",
        /// Which power or act covers the request, or why the other parent does not take part: in the party's own words.
        Power = "power",
        /// 旧氏名.
        FormerNames = "former-names",
        /// 以前の住所.
        FormerAddresses = "former-addresses",
        /// 受診歴: hospital, period, patient number, as far as given.
        Visits = "visits",
        /// 合理的配慮: what the person needs (Act for Eliminating Discrimination against Persons with Disabilities art. 8(2)).
        Accommodation = "accommodation",
        /// 連絡の配慮: who must not learn of it, and how contact may be made.
        SafeContact = "safe-contact",
    }
}

impl ReportOutcome {
    /// Done as instructed, or nothing to be done: closes after automatic confirmation (確認). Every other outcome waits for a
    /// member of staff.
    pub const fn closes_by_itself(self) -> bool {
        matches!(self, Self::Applied | Self::NoDataHeld)
    }
    /// Has to say why.
    pub const fn needs_ground(self) -> bool {
        matches!(self, Self::Exempt | Self::Unreachable)
    }
}

impl Transport {
    /// The desk sends by itself; the others are fetched or carried.
    pub const fn is_pushed(self) -> bool {
        matches!(self, Self::Nats | Self::Webhook)
    }
}

impl Kind {
    /// The law that a request of this kind stands on.
    pub const fn track(self) -> Track {
        match self {
            Self::Disclosure | Self::ThirdPartyRecords | Self::Correction | Self::Suspension | Self::PurposeNotice => {
                Track::Appi
            }
            Self::ProvisionStop | Self::Deletion => Track::Act,
            Self::Complaint | Self::Consultation => Track::Desk,
        }
    }
    /// APPI art. 38(1): a fee may be asked for disclosure (third-party records included) and purpose notification only.
    pub const fn may_cost_a_fee(self) -> bool {
        matches!(self, Self::Disclosure | Self::ThirdPartyRecords | Self::PurposeNotice)
    }
    /// APPI art. 39: the kinds for which a suit opens two weeks after arrival. Not purpose notices, not stops.
    pub const fn has_suit_clock(self) -> bool {
        matches!(self, Self::Disclosure | Self::ThirdPartyRecords | Self::Correction | Self::Suspension)
    }
    /// Complaints and consultations are answered without proof of identity.
    pub const fn needs_identity(self) -> bool {
        !matches!(self, Self::Complaint | Self::Consultation)
    }
    /// Ends with every recipient's report rather than with a decision alone.
    pub const fn propagates(self) -> bool {
        matches!(self, Self::ProvisionStop | Self::Deletion)
    }
}

impl IncidentItem {
    /// The nine of contractors.
    pub const NINE: &[Self] = &[
        Self::Summary,
        Self::Items,
        Self::Persons,
        Self::Cause,
        Self::SecondaryDamage,
        Self::DealingWithPersons,
        Self::Publication,
        Self::Prevention,
        Self::Other,
    ];
    /// The eight of users.
    pub const EIGHT: &[Self] = &[
        Self::Summary,
        Self::Items,
        Self::Scale,
        Self::Cause,
        Self::SecondaryDamage,
        Self::Publication,
        Self::Prevention,
        Self::Other,
    ];

    /// What this kind of recipient states.
    pub const fn of(kind: RecipientKind) -> &'static [Self] {
        match kind {
            RecipientKind::User => Self::EIGHT,
            _ => Self::NINE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suit_clock_runs_on_four_kinds() {
        assert_eq!(Kind::ALL.iter().filter(|k| k.has_suit_clock()).count(), 4);
        assert_eq!(Kind::ALL.iter().filter(|k| k.may_cost_a_fee()).count(), 3);
    }

    #[test]
    fn words_survive_their_text() {
        for k in Kind::ALL {
            assert_eq!(k.as_str().parse(), Ok(*k));
            assert_eq!(serde_json::to_value(k).unwrap(), k.as_str());
        }
        let error = "erasure".parse::<Kind>().unwrap_err().to_string();
        assert!(error.starts_with("not a Kind: use one of disclosure, "), "{error}");
    }
}
