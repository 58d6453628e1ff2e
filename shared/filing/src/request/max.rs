//! The most characters of each field. Chosen so that the longest possible form stays under the 64 KiB of a body.

/// 氏名 and its reading.
pub const NAME: usize = 80;
/// 住所.
pub const ADDRESS: usize = 200;
/// An e-mail address (RFC 5321: 254 in all).
pub const MAIL: usize = 254;
/// 電話番号.
pub const TELEPHONE: usize = 30;
/// The person's own words.
pub const WORDS: usize = 2_000;
/// One hospital as written.
pub const HOSPITAL: usize = 100;
/// Hospitals in one request.
pub const HOSPITALS: usize = 10;
/// 受診した時期.
pub const PERIOD: usize = 60;
/// 診察券番号.
pub const PATIENT_NUMBER: usize = 30;
/// Former names, and former addresses, in one request.
pub const FORMER: usize = 3;
/// 合理的配慮, 連絡の配慮, a power or a reason.
pub const CARE: usize = 300;
