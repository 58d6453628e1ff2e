use super::*;

const TYP: &str = "test+jws";

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
fn both() -> [ReportSigner; 2] {
    [ReportSigner::ed25519(&[1; 32]), ReportSigner::p256(&[1; 32]).unwrap()]
}
fn verify(text: &str, keys: &[ReportKey]) -> Result<Vec<u8>, Refused> {
    let read = Compact::parse(text.as_bytes(), TYP)?;
    read.verify(keys)?;
    Ok(read.payload)
}
/// Signs with a header of the caller's own.
fn with_header(header: &str, key: &ReportSigner) -> String {
    let signed = format!("{}.{}", encode(header.as_bytes()), encode(b"payload"));
    format!("{signed}.{}", encode(&key.sign(signed.as_bytes())))
}

/// RFC 8037 appendix A.4: the signature of its example, from its key.
#[test]
fn ed25519_signs_the_example_of_the_rfc() {
    let secret: [u8; 32] =
        URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap().try_into().unwrap();
    let input = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let key = ReportSigner::ed25519(&secret);
    assert_eq!(encode(&key.public().to_bytes()), "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    assert_eq!(
        encode(&key.sign(input.as_bytes())),
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    );
}

/// RFC 7515 appendix A.3: its example verifies with its key.
#[test]
fn p256_verifies_the_example_of_the_rfc() {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let (x, y) =
        (decode("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"), decode("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"));
    let point = [&[4][..], &x, &y].concat();
    let key = ReportKey::from_bytes(&point).unwrap();
    let input = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = decode("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q");
    assert!(key.verifies(input.as_bytes(), &signature));
    assert!(!key.verifies(b"other", &signature));
    assert_eq!(ReportKey::from_bytes(&key.to_bytes()).unwrap(), key, "33 and 65 bytes are the same key");
    assert_eq!((key.to_bytes().len(), point.len()), (33, 65));
}

#[test]
fn what_is_signed_verifies_with_its_own_key_only() {
    let keys = both().map(|k| k.public());
    for key in both() {
        let text = sign(TYP, b"payload", &key);
        assert_eq!(verify(&text, &keys), Ok(b"payload".to_vec()));
        assert_eq!(verify(&text, &[]), Err(Refused::UnknownKey));
        assert_eq!(verify(&text, &[ReportSigner::ed25519(&[9; 32]).public()]), Err(Refused::UnknownKey));
        assert_eq!(Compact::parse(text.as_bytes(), "other+jws"), Err(Refused::Malformed));
        // Every other text is refused, whatever is changed in it.
        for at in 0..text.len() {
            for to in *b"Aq-." {
                let mut altered = text.clone().into_bytes();
                if altered[at] != to {
                    altered[at] = to;
                    assert!(verify(std::str::from_utf8(&altered).unwrap(), &keys).is_err(), "byte {at} to {to}");
                }
            }
        }
        for more in [format!("{text}="), format!("{text}\n"), format!(" {text}"), format!("{text}.AA")] {
            assert_eq!(verify(&more, &keys), Err(Refused::Malformed));
        }
    }
}

/// The key says the algorithm: neither `none` nor the other one, nor a key that travels with the message.
#[test]
fn headers_choose_nothing() {
    let [ed, p] = both();
    let keys = [ed.public(), p.public()];
    let kid = ed.public().id();
    let good = format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"{TYP}"}}"#);
    assert!(verify(&with_header(&good, &ed), &keys).is_ok());
    let es256 = good.replace("EdDSA", "ES256");
    assert_eq!(verify(&with_header(&es256, &ed), &keys), Err(Refused::WrongAlgorithm));
    assert_eq!(verify(&with_header(&es256, &p), &keys), Err(Refused::WrongAlgorithm), "another's kid");
    for bad in [
        good.replace("EdDSA", "none"),
        good.replace("EdDSA", "HS256"),
        good.replace("EdDSA", "eddsa"),
        good.replace("\"alg\":\"EdDSA\",", ""),
        good.replace('}', r#","jwk":{"kty":"OKP"}}"#),
        good.replace('}', r#","jku":"https://example.com"}"#),
        good.replace('}', r#","x5u":"https://example.com"}"#),
        good.replace('}', r#","x5c":["AA"]}"#),
        good.replace('}', r#","crit":["b64"],"b64":false}"#),
        good.replace('}', r#","b64":true}"#),
        good.replace('}', r#","alg":"EdDSA"}"#),
        good.replace('}', &format!(r#","pad":"{}"}}"#, "x".repeat(600))),
        format!("[{good}]"),
        String::new(),
    ] {
        assert_eq!(verify(&with_header(&bad, &ed), &keys), Err(Refused::Malformed), "{bad}");
    }
    // No signature at all, as `none` would have it.
    let signed = with_header(&good, &ed);
    let unsigned = &signed[..=signed.rfind('.').unwrap()];
    assert_eq!(verify(unsigned, &keys), Err(Refused::Malformed));
    assert_eq!(verify("", &keys), Err(Refused::Malformed));
    assert_eq!(verify("..", &keys), Err(Refused::Malformed));
    assert_eq!(verify(&"a".repeat(BODY_MAX + 1), &keys), Err(Refused::Malformed));
}

#[test]
fn keys_that_verify_anything_are_no_keys() {
    for bad in [vec![0; 32], vec![0; 33], vec![2; 31], vec![4; 65], vec![], vec![1; 64]] {
        assert_eq!(ReportKey::from_bytes(&bad), Err(NotAReportKey), "{bad:?}");
    }
    assert!(ReportSigner::p256(&[0; 32]).is_err() && ReportSigner::p256(&[255; 32]).is_err());
    assert_eq!(format!("{:?}", both()), "[[report key], [report key]]");
}
