//! Formats, signatures, derivation and the key file.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use jiff::Timestamp;
use nats_auth::{
    AccountClaims, AccountLimits, ConnectionType, Error, Export, House, Import, KeyPair, Kind, Operator, Permissions,
    ResponseType, Responses, Revocations, RootSecret, UserClaims, decode, format_creds, parse_creds, same_claims,
};
use serde_json::{Value, json};
use uuid::Uuid;

const RECIPIENT: Uuid = Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0001);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn root() -> RootSecret {
    RootSecret::from_bytes(std::array::from_fn(|i| u8::try_from(i).unwrap()))
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect()
}

#[test]
fn derivation_is_stable() {
    let root = root();
    // Seeds recomputed with another implementation of RFC 5869 (see `golden` below for the method).
    let golden = [
        (root.operator(), "operator"),
        (root.system_account(), "account/system"),
        (root.desk_account(), "account/desk"),
        (root.account_for(RECIPIENT), "account/recipient/01980000-0000-7000-8000-000000000001"),
        (root.user_for("intake"), "user/service/intake"),
        (root.system_user(), "user/system"),
    ];
    for (key, purpose) in &golden {
        let expected = GOLDEN.iter().find(|(name, _)| name == purpose).unwrap().1;
        let (_, seed) = nkeys_seed(&key.seed().unwrap());
        assert_eq!(hex::encode(seed), expected, "{purpose}");
    }
    let mut distinct: Vec<_> = golden.iter().map(|(key, _)| key.public_key()).collect();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), golden.len());
}

/// HKDF-SHA256 of the bytes 00..1f, no salt, info `madoguchi/nats/v1/<purpose>`, made with Python's `hmac`:
/// `prk = hmac(b"\0"*32, root); okm = hmac(prk, info + b"\1")`.
const GOLDEN: [(&str, &str); 6] = [
    ("operator", "029de9238b94df62ed178ffa8fdf604cf696aaadcc37bd1afd574854ad5df36d"),
    ("account/system", "d92699a960c2149e728b80baf32e824ee3e2646d6607db5f569f5c04bf974cdb"),
    ("account/desk", "91b48bfe712ff0625e37a34e0f0c42758ebfd60653e2e627609143de2abf75a9"),
    (
        "account/recipient/01980000-0000-7000-8000-000000000001",
        "524672d30046c344116423754c2a6603878de4507a5013c6fbcc8f81a04b3321",
    ),
    ("user/service/intake", "3ac65d2496b21839deb38c59c1551cc69efc72f946c72fe7b719e7101f9655b8"),
    ("user/system", "dada3c198e4be23c1f1a48618d4b3bd8b4d285b98eea8dd91c6fd74164ed21a7"),
];

fn nkeys_seed(text: &str) -> (u8, [u8; 32]) {
    nkeys::decode_seed(text).unwrap()
}

#[test]
fn operator_jwt_is_signed_by_itself_and_names_the_system_account() {
    let house = House::new(root());
    let jwt = house.operator_jwt(at(1_700_000_000));
    let decoded = decode(&jwt).unwrap();
    assert_eq!(decoded.kind(), Some(Kind::Operator));
    assert_eq!(decoded.issuer, decoded.subject);
    assert_eq!(decoded.issued_at, 1_700_000_000);
    assert_eq!(decoded.nats, json!({"system_account": house.system_account(), "type": "operator", "version": 2}));
    assert!(house.system_account().starts_with('A'));
}

#[test]
fn account_claims_are_written_as_adr_14_says() {
    let house = House::new(root());
    let importer = KeyPair::new_account().public_key();
    let claims = AccountClaims::new("X", AccountLimits::UNLIMITED_JETSTREAM)
        .export(Export::service("e", "a.*.>").response(ResponseType::Stream).account_token(2))
        .import(Import::service("i", "b.c", &importer))
        .signing_key(&importer)
        .revoke(&Revocations::from([("*".to_owned(), at(5))]));
    let jwt = house.operator().account_jwt(&importer, &claims, at(9)).unwrap();
    let nats = decode(&jwt).unwrap().nats;
    assert_eq!(
        nats["exports"],
        json!([{"name": "e", "subject": "a.*.>", "type": "service", "response_type": "Stream", "account_token_position": 2}])
    );
    assert_eq!(nats["imports"], json!([{"name": "i", "subject": "b.c", "account": importer, "type": "service"}]));
    assert_eq!(nats["revocations"], json!({"*": 5}));
    assert_eq!(nats["signing_keys"], json!([importer]));
    assert_eq!(nats["limits"]["disk_storage"], -1);
    assert_eq!(nats["limits"]["max_ack_pending"], -1);
    assert_eq!((&nats["type"], &nats["version"]), (&json!("account"), &json!(2)));
}

#[test]
fn user_claims_are_written_as_adr_14_says() {
    let account = KeyPair::new_account();
    let other = KeyPair::new_account().public_key();
    let user = KeyPair::new_user().public_key();
    let permissions = Permissions::new()
        .publish(["a.>"])
        .deny_publish(["a.b"])
        .subscribe(["c"])
        .deny_subscribe(["d"])
        .respond(Responses { max: 1, ttl: Duration::from_secs(2) });
    let jwt = UserClaims::new("u", permissions)
        .expires(Some(at(20)))
        .issuer_account(&other)
        .connection_types(&[ConnectionType::Standard, ConnectionType::Websocket])
        .jwt(&user, &account, at(10))
        .unwrap();
    let decoded = decode(&jwt).unwrap();
    assert_eq!((decoded.subject, decoded.issuer), (user, account.public_key()));
    assert_eq!((decoded.issued_at, decoded.expires), (10, Some(20)));
    assert_eq!(
        decoded.nats,
        json!({"pub": {"allow": ["a.>"], "deny": ["a.b"]}, "sub": {"allow": ["c"], "deny": ["d"]},
               "resp": {"max": 1, "ttl": 2_000_000_000_i64}, "subs": -1, "data": -1, "payload": -1,
               "allowed_connection_types": ["STANDARD", "WEBSOCKET"], "issuer_account": other,
               "type": "user", "version": 2})
    );
}

#[test]
fn an_altered_jwt_is_refused() {
    let jwt = House::new(root()).desk_account_jwt(at(1));
    let (head, tail) = jwt.rsplit_once('.').unwrap();
    let altered = decode(&House::new(root()).desk_account_jwt(at(2))).unwrap();
    assert_ne!(altered.id, decode(&jwt).unwrap().id);
    let other = House::new(root()).desk_account_jwt(at(2));
    let spliced = format!("{}.{tail}", other.rsplit_once('.').unwrap().0);
    assert!(matches!(decode(&spliced), Err(Error::Jwt(reason)) if reason.contains("signature")));
    assert!(decode(head).is_err());
    assert!(decode("").is_err());
    assert!(decode("a.b.c").is_err());
    // {"typ":"JWT","alg":"none"}
    let none = format!("eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.{}.", head.split_once('.').unwrap().1);
    assert!(matches!(decode(&none), Err(Error::Jwt(reason)) if reason.contains("algorithm")));
}

#[test]
fn the_same_claims_at_another_time_are_the_same() {
    let house = House::new(root());
    let none = Revocations::new();
    let one = house.recipient_account_jwt(RECIPIENT, &none, at(1));
    assert!(same_claims(&one, &house.recipient_account_jwt(RECIPIENT, &none, at(2))));
    let revoked = Revocations::from([("*".to_owned(), at(2))]);
    assert!(!same_claims(&one, &house.recipient_account_jwt(RECIPIENT, &revoked, at(2))));
    assert!(!same_claims("x", "x"), "what cannot be read is never the same");
}

#[test]
fn desk_exports_bind_every_service_to_the_importers_key() {
    let house = House::new(root());
    let nats = decode(&house.desk_account_jwt(at(1))).unwrap().nats;
    for export in nats["exports"].as_array().unwrap() {
        let position = usize::try_from(export["account_token_position"].as_u64().unwrap()).unwrap();
        let tokens: Vec<_> = export["subject"].as_str().unwrap().split('.').collect();
        assert_eq!(tokens[position - 1], "*", "{export}");
    }
    let account = house.recipient_account(RECIPIENT);
    let imports = decode(&house.recipient_account_jwt(RECIPIENT, &Revocations::new(), at(1))).unwrap().nats;
    for (import, export) in imports["imports"].as_array().unwrap().iter().zip(nats["exports"].as_array().unwrap()) {
        assert_eq!(import["name"], export["name"]);
        assert_eq!(import["account"], json!(house.desk_account()));
        let position = usize::try_from(export["account_token_position"].as_u64().unwrap()).unwrap();
        assert_eq!(import["subject"].as_str().unwrap().split('.').nth(position - 1), Some(account.as_str()));
    }
    assert_eq!(imports["imports"].as_array().unwrap().len(), 6);
    assert_eq!(imports["imports"][5]["local_subject"], "$JS.API.INFO");
    assert_eq!(nats["exports"].as_array().unwrap().len(), 5);
    for none in ["mem_storage", "disk_storage", "streams", "consumer", "exports", "leaf"] {
        assert_eq!(imports["limits"][none], 0, "{none}");
    }
}

#[test]
fn a_recipient_may_do_only_what_is_its_own() {
    let house = House::new(root());
    let account = house.recipient_account(RECIPIENT);
    let user = KeyPair::new_user().public_key();
    let decoded = decode(&house.recipient_user_jwt(RECIPIENT, &user, None, at(1)).unwrap()).unwrap();
    assert_eq!((&decoded.issuer, &decoded.subject), (&account, &user));
    for subject in strings(&decoded.nats["pub"]["allow"]) {
        assert!(subject.split('.').any(|token| token == account), "{subject}");
    }
    assert_eq!(strings(&decoded.nats["sub"]["allow"]), [format!("_INBOX_{account}.>")]);
    let wrong = house.recipient_user_jwt(RECIPIENT, &account, None, at(1)).unwrap_err();
    assert!(wrong.to_string().contains("begins with U"), "{wrong}");
}

#[test]
fn service_creds_carry_the_services_own_inbox() {
    let house = House::new(root());
    let text = house.service_creds("intake", Permissions::new().publish(["evt.intake.>"]), at(1)).unwrap();
    let creds = parse_creds(&text).unwrap();
    let decoded = decode(&creds.jwt).unwrap();
    assert_eq!(decoded.issuer, house.desk_account());
    assert_eq!(KeyPair::from_seed(&creds.seed).unwrap().public_key(), decoded.subject);
    assert_eq!(strings(&decoded.nats["sub"]["allow"]), ["_INBOX_intake.>"]);
    // Without any publish subject the server's rule "empty means all" must not apply.
    let silent = parse_creds(&house.service_creds("console", Permissions::new(), at(1)).unwrap()).unwrap();
    assert_eq!(strings(&decode(&silent.jwt).unwrap().nats["pub"]["deny"]), [">"]);
    for bad in ["", "In take", "a.b", "*", &"x".repeat(65)] {
        assert!(matches!(house.service_creds(bad, Permissions::new(), at(1)), Err(Error::Name { .. })), "{bad}");
    }
}

#[test]
fn creds_round_trip_and_name_what_is_missing() {
    let user = KeyPair::new_user();
    let text = format_creds("a.b.c", &user.seed().unwrap());
    let creds = parse_creds(&text).unwrap();
    assert_eq!((creds.jwt.as_str(), creds.seed), ("a.b.c", user.seed().unwrap()));
    let half = &text[..text.find("-----BEGIN USER").unwrap()];
    assert!(parse_creds(half).err().unwrap().to_string().contains("USER NKEY SEED"));
    assert!(parse_creds("").is_err());
}

#[test]
fn a_deployers_operator_signs_our_accounts() {
    let operator = KeyPair::new_operator();
    let system = KeyPair::new_account().public_key();
    let house = House::with_operator(root(), &operator.seed().unwrap(), &system).unwrap();
    assert_eq!(house.system_account(), system);
    assert_eq!(decode(&house.desk_account_jwt(at(1))).unwrap().issuer, operator.public_key());
    let account_seed = KeyPair::new_account().seed().unwrap();
    assert!(Operator::from_seed(&account_seed).is_err());
    assert!(Operator::from_seed("SO").is_err());
    assert!(House::with_operator(root(), &operator.seed().unwrap(), "A123").is_err());
}

#[test]
fn the_key_file_is_made_once_and_private() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nats-root.secret");
    let keys: Vec<_> = std::thread::scope(|scope| {
        let makers: Vec<_> = (0..8).map(|_| scope.spawn(|| RootSecret::load_or_create(&path))).collect();
        makers.into_iter().map(|maker| maker.join().unwrap().unwrap().operator().public_key()).collect()
    });
    assert!(keys.iter().all(|key| *key == keys[0]), "all callers must get one secret");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no draft may stay");

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(RootSecret::load_or_create(&path).err().unwrap().to_string().contains("chmod 600"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&path, "zz").unwrap();
    assert!(RootSecret::load_or_create(&path).err().unwrap().to_string().contains("64 hexadecimal"));
}
